"""A second reference backend: resiliparse's main content (https://resiliparse.chatnoir.eu). Runs in a sandbox's child
process, as its parser is quadratic in the depth of a page."""

from __future__ import annotations

from resiliparse.extract.html2text import extract_plain_text


def main_text(page: str, url: str, comments: bool) -> str:
    """Resiliparse's plain text of a decoded page, "" where it finds nothing."""
    return str(extract_plain_text(page, main_content=True, comments=comments, alt_texts=False))
