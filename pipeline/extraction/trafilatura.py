"""The reference backend: trafilatura, as its own evaluation sets it (no comments). Runs in a sandbox's child process.

Its ``deduplicate`` option stays off: it keeps a cache over pages, and the output would depend on their order.
"""

from __future__ import annotations

import logging
import re

import trafilatura

_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_CONTROL_REFERENCE = re.compile(
    r"&#(?:x0*(?:[0-8bcef]|1[0-9a-f]|d[89a-f]..|fff[ef])|0*(?:[0-8]|1[124-9]|2\d|3[01]))(?:;|(?![0-9a-f]))",
    re.IGNORECASE,
)

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it reports every page without text


def main_text(page: str, url: str, comments: bool) -> str:
    """``trafilatura.extract`` of a decoded page, "" where it finds nothing.

    Two things that would spoil the whole page are taken out before: the XML declaration, as its encoding would be
    believed over the decoded text, and character references to what XML does not allow.
    """
    page = _CONTROL_REFERENCE.sub("", _XML_DECLARATION.sub("", page))
    return trafilatura.extract(page, url=url or None, include_comments=comments) or ""
