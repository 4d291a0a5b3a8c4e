"""From the bytes of a page to its main text: decode, measure, apply limits, extract, clean.

This module is the contract and imports nothing heavy, as the sandbox's child process passes through it. A backend is
called with a decoded page and its URL and returns the main text; BACKENDS names those there are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.schema import Record

_PAGE_MEMORY = 1_200_000_000  # bytes that trafilatura may take for one page


@dataclass
class Extracted:
    """What came of one page. With a ``reason`` there is no text to keep; ``quarantined`` where the page broke the
    limit of time or memory or crashed the backend, rather than being passed over."""

    text: str = ""
    title: str = ""
    date: str = ""  # of publication, YYYY-MM-DD, where the page's head tells
    charset: str = ""  # that it was read in
    facts: dict[str, float | str] = field(default_factory=dict)  # see facts.page_facts
    reason: str | None = None
    quarantined: bool = False
    detail: str = ""  # one phrase for people
    removed: list[tuple[str, str]] = field(default_factory=list)  # (text, why), where the backend tells


class Extractor(Protocol):
    def extract(self, html: bytes, url: str | None = None, http_charset: str = "") -> Extracted:
        """The main text of a page. Never raises for what a page holds."""

    def page(self, record: Record) -> Extracted:
        """The text of a record: extracted from its HTML, or only cleaned where it came as text."""

    def close(self) -> None: ...


class Backend(Protocol):
    def __call__(self, page: str, url: str, /) -> str:
        """The main text of a decoded page, lines joined by newlines; "" where there is none.

        Raises sandbox.Timeout and sandbox.Crash for a page that cannot be read.
        """

    def close(self) -> None: ...


def _trafilatura(comments: bool, timeout_s: float) -> Backend:
    from pipeline.extraction.sandbox import Sandbox

    return Sandbox("pipeline.extraction.trafilatura:main_text", {"comments": comments}, timeout_s, _PAGE_MEMORY)


BACKENDS: dict[str, Callable[[bool, float], Backend]] = {"trafilatura": _trafilatura}


def make_extractor(
    name: str = "trafilatura",
    *,
    comments: bool = False,
    min_characters: int = 1,
    max_page_bytes: int = 16_000_000,
    max_tags: int = 150_000,
    max_depth: int = 500,
    timeout_s: float = 60.0,
) -> Extractor:
    """An extractor by its backend's name. Raises UserError for a name that is not known.

    ``comments`` keeps what users wrote below an article. A page of fewer than ``min_characters`` of text is
    ``extract.empty``. The limits on bytes, tags and depth are counted, so they cut the same pages in every run;
    ``timeout_s``, the longest that one page may take, is the last resort.
    """
    from pipeline.extraction.extractor import Limits, PageExtractor

    if name not in BACKENDS:
        raise UserError(f"there is no extractor {name!r}; known are: {', '.join(sorted(BACKENDS))}")
    limits = Limits(max_page_bytes, max_tags, max_depth, min_characters)
    return PageExtractor(BACKENDS[name](comments, timeout_s), limits)


@functools.cache
def _default_extractor() -> Extractor:
    return make_extractor()


def extract_text(html: bytes, url: str | None = None) -> str:
    """The main text of a page by the default backend, "" where there is none."""
    return _default_extractor().extract(html, url).text
