"""From the bytes of a page to its main text: decode, measure, apply limits, extract, clean.

This module is the contract and imports nothing heavy, as the sandbox's child process passes through it. A backend is
called with a decoded and parsed page and returns the main text and what it left out; BACKENDS names those there are.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.extraction.tree import Tree
    from pipeline.schema import Record

_PAGE_MEMORY = 1_200_000_000  # bytes that a sandboxed backend may take for one page


class Removed(NamedTuple):
    """What a backend left out of a page, where it tells: texts, why, and before which line of the main text each stood.
    Three lists, since Python's collector of garbage looks at every tuple and at no string."""

    texts: Sequence[str] = ()
    reasons: Sequence[str] = ()
    lines: Sequence[int] = ()

    def rows(self) -> list[tuple[str, str, int]]:
        return list(zip(self.texts, self.reasons, self.lines, strict=True))


@dataclass(frozen=True)
class Source:
    """A page as backends get it: decoded, in UTF-8 without control characters, and parsed."""

    html: bytes
    tree: Tree
    url: str = ""


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
    removed: Removed = field(default_factory=Removed)


class Extractor(Protocol):
    def extract(
        self, html: bytes, url: str | None = None, http_charset: str = "", crawled: str = "", facts: bool = True
    ) -> Extracted:
        """The main text of a page. ``crawled``: when, ISO 8601. Without ``facts`` there is only text, charset and
        reason, which takes a fifth less time. Never raises for what a page holds."""

    def page(self, record: Record) -> Extracted:
        """The text of a record: extracted from its HTML, or only cleaned where it came as text."""

    def close(self) -> None: ...


class Backend(Protocol):
    def __call__(self, page: Source, /) -> tuple[str, Callable[[], Removed]]:
        """The main text of a page, lines joined by newlines, "" where there is none; and what tells what was left out.

        Raises sandbox.Timeout and sandbox.Crash for a page that cannot be read.
        """

    def close(self) -> None: ...


@dataclass(frozen=True)
class Settings:
    """What backends may be told; each takes of it what it knows."""

    comments: bool = False  # keep what users wrote below an article
    markdown: bool = True  # mark headings, lists, tables and code
    model: str = ""  # folder of a model of one's own
    timeout_s: float = 60.0  # the longest that one page may take, the last resort


def _learned(settings: Settings) -> Backend:
    from pipeline.extraction.learned import Learned

    return Learned(settings.comments, settings.markdown, settings.model)


def _sandboxed(package: str, settings: Settings) -> Backend:
    from pipeline.extraction.sandbox import Sandbox, SandboxedBackend

    if importlib.util.find_spec(package) is None:
        raise UserError(f"the extractor {package} is not installed: run pip install {package}")
    own = {"comments": settings.comments}  # plain text: the Markdown of others loses more tables and code
    return SandboxedBackend(Sandbox(f"pipeline.extraction.{package}:main_text", own, settings.timeout_s, _PAGE_MEMORY))


BACKENDS: dict[str, Callable[[Settings], Backend]] = {
    "learned": _learned,
    "trafilatura": functools.partial(_sandboxed, "trafilatura"),
    "resiliparse": functools.partial(_sandboxed, "resiliparse"),
}


def make_extractor(
    name: str = "learned",
    *,
    comments: bool = False,
    markdown: bool = True,
    model: str = "",
    min_characters: int = 1,
    max_page_bytes: int = 16_000_000,
    max_tags: int = 150_000,
    max_depth: int = 500,
    timeout_s: float = 60.0,
) -> Extractor:
    """An extractor by its backend's name. Raises UserError for a name that is not known.

    See ``Settings`` for what goes to the backend. A page of fewer than ``min_characters`` of text is
    ``extract.empty``. The limits on bytes, tags and depth are counted, so they cut the same pages in every run.
    """
    from pipeline.extraction.extractor import Limits, PageExtractor

    if name not in BACKENDS:
        raise UserError(f"there is no extractor {name!r}; known are: {', '.join(sorted(BACKENDS))}")
    limits = Limits(max_page_bytes, max_tags, max_depth, min_characters)
    return PageExtractor(BACKENDS[name](Settings(comments, markdown, model, timeout_s)), limits)


@functools.cache
def _default_extractor() -> Extractor:
    return make_extractor()


def extract_text(html: bytes, url: str | None = None) -> str:
    """The main text of a page by the default backend, "" where there is none."""
    return _default_extractor().extract(html, url, facts=False).text
