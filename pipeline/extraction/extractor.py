"""One page from bytes to clean text, around any backend: what is the same for all of them."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

import numpy as np

from pipeline.extraction import Backend, Extracted, Source
from pipeline.extraction.blocks import count_signs, parse
from pipeline.extraction.decode import clean, decode
from pipeline.extraction.facts import HEAD_LIMIT, head_fields, page_facts, structure
from pipeline.extraction.mojibake import mojibake
from pipeline.extraction.sandbox import Crash, Timeout
from pipeline.schema import Record

_MAX_ATTRIBUTES = 1_000  # of one tag; parsers compare each with all others
_SIGNS_A_TAG = 4  # "<" for each start tag at most: end tags, comments, scripts; beyond it the page is not parsed
_BINARY = re.compile(
    rb"%PDF-|\x89PNG|GIF8|\xff\xd8\xff|PK\x03\x04|\x1f\x8b|RIFF....WEBP|\x00\x00\x01\x00|\x7fELF", re.DOTALL
)
_FEED = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:rss|feed|rdf:RDF|urlset|sitemapindex)\b", re.DOTALL
)


@dataclass(frozen=True)
class Limits:
    max_page_bytes: int
    max_tags: int
    max_depth: int
    min_characters: int


class PageExtractor:
    """Extracts pages with one backend within limits; see pipeline.extraction.Extractor for the methods."""

    def __init__(self, backend: Backend, limits: Limits) -> None:
        self._backend = backend
        self._limits = limits

    def page(self, record: Record) -> Extracted:
        if record.text is None:
            return self.extract(record.body, record.url, record.charset, record.date)
        return self._judged(Extracted(charset=record.charset or "utf-8"), record.text)

    def extract(
        self, html: bytes, url: str | None = None, http_charset: str = "", crawled: str = "", facts: bool = True
    ) -> Extracted:
        if len(html) > self._limits.max_page_bytes:
            return Extracted(reason="extract.too_large", detail=f"{len(html):,} bytes")
        if _BINARY.match(html):
            return Extracted(reason="extract.not_html", detail="the bytes are of another format")
        decoded = decode(html, http_charset)
        signs = count_signs(np.frombuffer(decoded.utf8, np.uint8))
        if signs > _SIGNS_A_TAG * self._limits.max_tags:
            return Extracted(reason="extract.too_many_tags", charset=decoded.charset, detail=f'{signs:,} signs "<"')
        source = Source(decoded.utf8, parse(decoded.utf8, url or ""), url or "")
        counts = structure(source.tree)
        page = Extracted(charset=decoded.charset)
        if facts:
            fields = head_fields(source.html[:HEAD_LIMIT].decode("utf-8", "ignore"), source.url, _day_after(crawled))
            page.title, page.date = fields["title"], fields["date"]
            page.facts = page_facts(len(html), decoded.replaced, counts, fields)
        page.reason, page.detail = self._over_limit(counts)
        if page.reason is None:
            page.reason = _not_html(source.html, counts["tags"])
        if page.reason is None:
            self._extract(page, source, facts)
        return page

    def close(self) -> None:
        self._backend.close()

    def _over_limit(self, counts: dict[str, int]) -> tuple[str | None, str]:
        limits = self._limits
        if counts["depth"] > limits.max_depth:
            return "extract.too_deep", f"more than {limits.max_depth} elements inside each other"
        if counts["tags"] > limits.max_tags:
            return "extract.too_many_tags", f"{counts['tags']:,} tags"
        if counts["attributes"] > _MAX_ATTRIBUTES:
            return "extract.too_many_attributes", f"{counts['attributes']:,} attributes in one tag"
        return None, ""

    def _extract(self, page: Extracted, source: Source, facts: bool) -> None:
        try:
            text, removed = self._backend(source)
        except Timeout:
            page.reason, page.quarantined = "extract.timeout", True
        except Crash as crash:
            page.reason, page.quarantined, page.detail = "extract.crashed", True, str(crash)
        else:
            self._judged(page, text, facts)
            if facts:
                page.removed = removed()

    def _judged(self, page: Extracted, text: str, facts: bool = True) -> Extracted:
        page.text = clean(text)
        if facts:
            page.facts["mojibake"] = round(mojibake(page.text), 4)
        if len(page.text.strip()) < self._limits.min_characters:
            page.reason = "extract.empty"
        return page


def _day_after(date: str) -> str:
    """The latest day that the page's own clock may have shown at a time (ISO 8601, UTC), "" where that is not known."""
    try:
        return str(datetime.date.fromisoformat(date[:10]) + datetime.timedelta(1))
    except (ValueError, OverflowError):
        return ""


def _not_html(html: bytes, tags: int) -> str | None:
    if not html or html.isspace():
        return "extract.empty"
    return "extract.not_html" if tags == 0 or _FEED.match(html) else None
