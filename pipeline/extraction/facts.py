"""What a page is made of, from one pass over its bytes: counts for limits and for the web-type model, head fields.

No tree is built. The pass knows tags, comments, raw-text elements and the stack of open elements, which is enough for
counts and makes it linear in the size of the page, whatever the page does.
"""

from __future__ import annotations

import html as entities
import re
from typing import Final

import numpy as np
from numba import njit

from pipeline.extraction.decode import clean

COUNTED: Final = (
    "tags",
    "depth",
    "attributes",
    "text_bytes",
    "link_text_bytes",
    "links",
    "paragraphs",
    "headings",
    "list_items",
    "tables",
    "images",
    "forms",
)
TAGS, DEPTH, ATTRIBUTES, TEXT, LINK_TEXT, LINKS, PARAGRAPHS, HEADINGS, LIST_ITEMS, TABLES, IMAGES, FORMS = range(12)


def _packed(name: str) -> int:
    """An element name as a number: the last eight letters, a byte each."""
    return int.from_bytes(name.encode()[-8:], "big")


def _packed_set(names: str) -> np.ndarray:
    return np.array(sorted(map(_packed, names.split())), np.uint64)


_RAW_TEXT = _packed_set("script style textarea title iframe noembed noframes xmp template svg")
# Never open at the same time as another of their kind: void elements, and those whose end tag may be left out.
_NOT_NESTED = _packed_set(
    "area base br col embed hr img input link meta param source track wbr "
    "html head body p li dt dd tr td th thead tbody tfoot caption colgroup option optgroup"
)
_A, _P, _LI, _TABLE, _IMG, _FORM = map(np.uint64, map(_packed, ("a", "p", "li", "table", "img", "form")))
_H1, _H6 = np.uint64(_packed("h1")), np.uint64(_packed("h6"))
_LOOK_BACK = 256  # open elements that an end tag is compared with, so that stray ones cannot make the pass quadratic


@njit(cache=True, nogil=True)
def _contains(names: np.ndarray, name: np.uint64) -> bool:
    at = np.searchsorted(names, name)
    return bool(at < len(names) and names[at] == name)


@njit(cache=True, nogil=True)
def _tag_name(page: np.ndarray, at: int) -> tuple[np.uint64, int]:
    """The packed, lower-case name that starts at ``at``, and where it ends."""
    name = np.uint64(0)
    while at < len(page):
        byte = page[at]
        if 65 <= byte <= 90:
            byte += 32
        if not (97 <= byte <= 122 or 48 <= byte <= 57):
            break
        name = (name << np.uint64(8)) | np.uint64(byte)
        at += 1
    return name, at


@njit(cache=True, nogil=True)
def _tag_end(page: np.ndarray, at: int) -> tuple[int, int]:
    """The place after the ``>`` of a tag (not one in a quoted value), and how many attributes the tag has."""
    quote, value, attributes, in_word = 0, False, 0, False
    while at < len(page):
        byte = page[at]
        if quote:
            if byte == quote:
                quote = 0
        elif byte == 62:  # >
            return at + 1, attributes
        elif value and (byte == 34 or byte == 39):
            quote = byte
        elif byte > 32:
            attributes += not (in_word or value or byte == 61)
        in_word = byte > 32
        value = byte == 61 or (value and byte <= 32)  # after = and spaces a value begins
        at += 1
    return at, attributes


@njit(cache=True, nogil=True)
def _raw_text_end(page: np.ndarray, at: int, name: np.uint64) -> int:
    """The start of the end tag ``</name``, or the end of the page."""
    while at + 1 < len(page):
        if page[at] == 60 and page[at + 1] == 47 and _tag_name(page, at + 2)[0] == name:
            return at
        at += 1
    return len(page)


@njit(cache=True, nogil=True)
def _comment_end(page: np.ndarray, at: int) -> int:
    while at + 2 < len(page):
        if page[at] == 45 and page[at + 1] == 45 and page[at + 2] == 62:
            return at + 3
        at += 1
    return len(page)


@njit(cache=True, nogil=True)
def _scan(page: np.ndarray, max_depth: int) -> np.ndarray:
    """The counts of COUNTED for the bytes of a page; stops where the depth passes ``max_depth``."""
    counts = np.zeros(12, np.int64)
    stack = np.zeros(max_depth + 1, np.uint64)
    depth, at, in_link = 0, 0, False
    while at < len(page):
        byte = page[at]
        if byte != 60 or at + 1 == len(page):
            if byte > 32:
                counts[TEXT] += 1
                counts[LINK_TEXT] += in_link
            at += 1
            continue
        first = page[at + 1]
        if first == 33 and at + 3 < len(page) and page[at + 2] == 45 and page[at + 3] == 45:
            at = _comment_end(page, at + 4)
        elif first == 33 or first == 63:  # a declaration or processing instruction
            at = _tag_end(page, at + 2)[0]
        elif first == 47:  # /
            name, at = _tag_name(page, at + 2)
            at = _tag_end(page, at)[0]
            in_link = in_link and name != _A
            for open_element in range(depth - 1, max(-1, depth - 1 - _LOOK_BACK), -1):
                if stack[open_element] == name:
                    depth = open_element
                    break
        elif 97 <= (first | 32) <= 122:
            name, at = _tag_name(page, at + 1)
            at, attributes = _tag_end(page, at)
            counts[ATTRIBUTES] = max(counts[ATTRIBUTES], attributes)
            _count_element(counts, name)
            in_link = in_link or name == _A
            if _contains(_RAW_TEXT, name):
                at = _raw_text_end(page, at, name)
            elif not _contains(_NOT_NESTED, name):
                stack[depth] = name
                depth += 1
                counts[DEPTH] = max(counts[DEPTH], depth)
                if depth > max_depth:
                    break
        else:
            at += 1
    return counts


@njit(cache=True, nogil=True)
def _count_element(counts: np.ndarray, name: np.uint64) -> None:
    counts[TAGS] += 1
    if name == _A:
        counts[LINKS] += 1
    elif name == _P:
        counts[PARAGRAPHS] += 1
    elif name == _LI:
        counts[LIST_ITEMS] += 1
    elif name == _IMG:
        counts[IMAGES] += 1
    elif name == _TABLE:
        counts[TABLES] += 1
    elif name == _FORM:
        counts[FORMS] += 1
    elif _H1 <= name <= _H6:
        counts[HEADINGS] += 1


def scan(page: bytes, max_depth: int) -> dict[str, int]:
    """Counts of a page in UTF-8, keyed by COUNTED. Text is counted in bytes above the space, outside scripts and tags.

    ``attributes`` is the most in one tag, ``depth`` the deepest nesting. Past ``max_depth`` the pass stops, and the
    counts are of what came before.
    """
    counts = _scan(np.frombuffer(page, np.uint8), max_depth)
    return dict(zip(COUNTED, counts.tolist(), strict=True))


_HEAD_CHARACTERS = 65536  # where the fields of a page's head are looked for
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_META = re.compile(r"<meta\s[^>]{0,2000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_LANGUAGE = re.compile(r"""<html\s[^>]{0,1000}?\blang\s*=\s*["']?([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*)""", re.IGNORECASE)
_JSON_LD = re.compile(r"""<script[^>]{0,200}?application/ld\+json[^>]*>(.*?)</script""", re.IGNORECASE | re.DOTALL)
_JSON_TYPE = re.compile(r'"@type"\s*:\s*\[?\s*"([A-Za-z]{2,40})"')
_JSON_DATE = re.compile(r'"datePublished"\s*:\s*"([^"]{8,40})"')
_DATE = re.compile(r"((?:19|20)\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_ARTICLE_TYPES = frozenset(
    ("Article", "NewsArticle", "BlogPosting", "TechArticle", "ScholarlyArticle", "Report", "Recipe", "HowTo")
)


def head_fields(page: str) -> dict[str, str]:
    """Title, publication date (YYYY-MM-DD), claimed language, Open Graph type and JSON-LD types ("" where absent)."""
    head = page[:_HEAD_CHARACTERS]
    metas = _metas(head)
    data = " ".join(_JSON_LD.findall(head))
    types = list(dict.fromkeys(_JSON_TYPE.findall(data)))
    published = _first(_JSON_DATE, data) or metas.get("article:published_time", "") or metas.get("datepublished", "")
    return {
        "title": _line(_first(_TITLE, head)) or _line(metas.get("og:title", "")),
        "date": match.group() if (match := _DATE.match(published)) else "",
        "lang": _first(_LANGUAGE, head).lower(),
        "og_type": _line(metas.get("og:type", ""))[:40],
        "jsonld_type": next((kind for kind in types if kind in _ARTICLE_TYPES), types[0] if types else ""),
    }


def page_facts(
    html_bytes: int, replaced: int, counts: dict[str, int], fields: dict[str, str]
) -> dict[str, float | str]:
    """What the web-type model and the page rules are told of a page's structure, of scan and head_fields.

    Counts ``n_*`` of elements; ``text_ratio``: visible bytes of all; ``link_density``: visible bytes inside links of
    visible bytes; ``replaced``: U+FFFD for bad bytes; ``lang``: what the page claims; ``jsonld_type``, ``og_type``.
    """
    names = ("links", "paragraphs", "headings", "list_items", "tables", "images", "forms", "tags")
    return {
        "html_bytes": html_bytes,
        "text_ratio": round(counts["text_bytes"] / max(1, html_bytes), 4),
        "link_density": round(counts["link_text_bytes"] / max(1, counts["text_bytes"]), 4),
        **{f"n_{name}": counts[name] for name in names},
        "depth": counts["depth"],
        "replaced": replaced,
        "has_jsonld_article": float(fields["jsonld_type"] in _ARTICLE_TYPES),
        **{name: fields[name] for name in ("jsonld_type", "og_type", "lang", "title")},
    }


def _metas(head: str) -> dict[str, str]:
    """Content of the head's META elements by lower-case name or property; the first of a name counts."""
    found: dict[str, str] = {}
    for tag in _META.findall(head):
        attributes = {name.lower(): "".join(value) for name, *value in _ATTRIBUTE.findall(tag)}
        name = attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or ""
        found.setdefault(name.lower(), attributes.get("content", ""))
    return found


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match.group(1) if match else ""


def _line(markup: str) -> str:
    """One line of plain text, at most 500 characters."""
    return clean(" ".join(entities.unescape(markup).split()))[:500]
