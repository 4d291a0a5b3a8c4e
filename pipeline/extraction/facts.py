"""What a page is made of, for limits and for the web-type model, and what its head says of it."""

from __future__ import annotations

import datetime
import html as entities
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urljoin

import numpy as np

from pipeline.extraction.columns import ELEMENT_TAG, LINK_BYTES
from pipeline.extraction.decode import clean
from pipeline.extraction.elements import TAG
from pipeline.extraction.tree import DEEPEST, IMAGES, LINK_TAGS, MOST_ATTRIBUTES, TAGS, TEXT, Tree

_P, _LI, _TABLE, _FORM, _H1, _H6 = (TAG[name] for name in ["p", "li", "table", "form", "h1", "h6"])


def structure(tree: Tree) -> dict[str, int]:
    """What a page is made of: start tags, links and images among them; its block elements by kind and how deep they
    nest; the most attributes of a tag; the bytes of its text, and of that in links."""
    state, kinds = tree.state, np.bincount(tree.elements[:, ELEMENT_TAG], minlength=len(TAG))
    return {
        "tags": int(state[TAGS]),
        "depth": int(state[DEEPEST]),
        "attributes": int(state[MOST_ATTRIBUTES]),
        "text_bytes": int(state[TEXT]),
        "link_text_bytes": int(tree.blocks[:, LINK_BYTES].sum()),
        "links": int(state[LINK_TAGS]),
        "paragraphs": int(kinds[_P]),
        "headings": int(kinds[_H1 : _H6 + 1].sum()),
        "list_items": int(kinds[_LI]),
        "tables": int(kinds[_TABLE]),
        "images": int(state[IMAGES]),
        "forms": int(kinds[_FORM]),
    }


HEAD_LIMIT = 65_536  # bytes or characters of a page, where its head and its linked data are looked for
_MARK_CHARACTERS = 8192  # after the head, where an element that is marked with the date is looked for
_TAG_CHARACTERS = 1000  # on either side of a word, where the ends of its tag are looked for
_LINE_CHARACTERS = 500
_ADDRESS_CHARACTERS = 2000
_DATE_CHARACTERS = 64
_EARLIEST = "1995-01-01"  # before it hardly a page was published, and a date is that of something else

_ARTICLE_TYPES = frozenset(
    ("Article", "NewsArticle", "BlogPosting", "TechArticle", "ScholarlyArticle", "Report", "Recipe", "HowTo")
)
_DESCRIBED = ("description", "og:description", "og:title", "og:type", "og:url")
# META elements that say when a page was published: htmldate's (https://github.com/adbar/htmldate), and Chinese ones.
_DATED_NAMES = """
    analyticsattributes.articledate article.created article.published article:post_date article:publicationdate
    article:published article:published_date article:published_time article_date_original bt:pubdate
    bytedance:published_time citation_date citation_publication_date content_create_date created
    cxenseparse:recs:publishtime date date_created date_published datecreated dateposted datepublished dc.created
    dc.date dc.date.created dc.date.issued dc.date.publication dc:created dc:date dcsext.articlefirstpublished
    dcterms.created dcterms.date dcterms.issued displaydate doc_date field-name-post-date mediator_published_time
    og:article:published og:article:published_time og:datepublished og:pubdate og:publish_date og:published_time
    og:question:published_time og:regdate originalpublicationdate parsely-pub-date pubdate publication_date
    publish-date publish_date publish_time publishdate published-date published_at published_date published_time
    publisheddate rbpubdate rnews:datepublished sailthru.date shareaholic:article_published_time twt-published-at
    vr:published_time weibo:article:create_at
"""
_DATED = frozenset(_DATED_NAMES.split())


def _any_case(words: str) -> str:
    """The pattern of words in small or capital letters, several times as fast as re.IGNORECASE."""
    return re.sub("[a-z]", lambda letter: f"[{letter[0].upper()}{letter[0]}]", words)


def _any_of(names: Iterable[str]) -> str:
    """The pattern of names in any case; by first letters, as nearly all that is compared fails there."""
    initials = itertools.groupby(sorted(names), key=lambda name: name[0])
    branches = ((letter, "|".join(re.escape(name[1:]) for name in same)) for letter, same in initials)
    return _any_case("|".join(f"{letter}(?:{rest})" for letter, rest in branches))


def _date(separator: str) -> str:
    """The pattern of year, month and day in digits: of two digits each, or of one where separators stand."""
    parted = rf"{separator}(0?[1-9]|1[0-2]){separator}(0?[1-9]|[12]\d|3[01])"
    padded = rf"(?:{separator})?(0[1-9]|1[0-2])(?:{separator})?(0[1-9]|[12]\d|3[01])"
    return rf"(?<!\d)((?:19|20)\d\d)(?:{parted}|{padded})(?!\d(?!\d{{5}}(?!\d)))"  # a time may follow at once


# Repeats of characters give nothing back, only quoted values go past a "<", and of a tag the first 20 attributes are
# read: so the time is linear whatever the page holds.
_EQUALS = r"\s*+=\s*+"
_ATTRIBUTES = rf"""(?:[^\s"'<>=/]++(?:{_EQUALS}(?:"[^"]*+"|'[^']*+'|[^\s"'<>]++))?[\s/]*+){{0,20}}?"""
_NAME = rf"""(?>{_ATTRIBUTES}{_any_case("(?:name|property|itemprop)")}{_EQUALS}["']?\s*+)"""
_WANTED = rf"""({_any_of({*_DESCRIBED, *_DATED})})["'\s/>]"""
_CONTENT = rf"""{_ATTRIBUTES}{_any_case("content")}{_EQUALS}(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]++))"""
_LANG = rf"""{_ATTRIBUTES}{_any_case("(?:xml:)?lang")}{_EQUALS}["']?([A-Za-z]{{2,3}}(?:-[A-Za-z0-9]+)*+)"""
_REL = rf"""(?>{_ATTRIBUTES}{_any_case("rel")}{_EQUALS}["']?\s*+)"""
_HREF = rf"""{_ATTRIBUTES}{_any_case("href")}{_EQUALS}["']?\s*+([^\s"'<>]++)"""
_HEAD = re.compile(
    rf"<(?:{_any_case('meta')}\s++(?={_NAME}{_WANTED}){_CONTENT}"
    rf"|{_any_case('title')}[^<>]*+>((?:[^<]*+<(?!/{_any_case('title')})){{0,8}}[^<]*+)</{_any_case('title')}"
    rf"|{_any_case('html')}\s++{_LANG}"
    rf"|{_any_case('link')}\s++(?={_REL}{_any_case('canonical')}[\"'\s/>]){_HREF}"
    rf"|{_any_case('/head|body')})"
)
_IN_GROUP = {5: "title", 6: "lang", 7: "canonical"}  # of _HEAD; the first is the name of a META element
_ADDRESS = re.compile(r"""https?://(?:[\w-]+\.)+[\w-]+(?::\d{1,5})?(?:[/?][^\s<>"]*)?""", re.IGNORECASE)
_HOME_PAGE = re.compile(r"https?://[^/?]+/?", re.IGNORECASE)

_JSON_TYPE = re.compile(r'"@type"\s*:\s*\[?\s*"([A-Za-z]{2,40})"')
_JSON_DATE = re.compile(r'"datePublished"\s*:\s*"([^"]{6,40})"')
_MARKS: Final = (  # of elements with the date of publication, each with a word that is in all of them
    ("datePublished", re.compile(r"""<\w+\s(?:[^>]*\s)?itemprop\s*=\s*["']?datePublished""", re.IGNORECASE)),
    ("datetime=", re.compile(r"""<time\s(?:[^>]*[\s"'=])?(?:pubdate|entry-date|published)\b""", re.IGNORECASE)),
)
_MARKED = re.compile(r"""\s(?:datetime|content)\s*=\s*["']?([^"'>]+)""", re.IGNORECASE)
_DATE_IN_DIGITS = re.compile(_date(r"[-/.年月]\s?"))
_DATE_IN_ADDRESS = re.compile(_date("[-/_]"))
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DATE_IN_WORDS = re.compile(
    rf"(?:\b(\d\d?)(?:st|nd|rd|th)?[ .-]+)?\b({'|'.join(_MONTHS)})[a-z]*+[ .-]*+"
    r"(?:(\d\d?)(?:st|nd|rd|th)?\b(?!:))?.*?\b((?:19|20)\d\d)\b",
    re.IGNORECASE,
)


def head_fields(page: str, url: str = "", latest: str = "") -> dict[str, str]:
    """What a page says of itself in its head, each field one line and "" where the page does not tell.

    ``title``, ``description`` (each at most 500 characters); ``canonical``, the address that the page names as its
    own, absolute where it can be told from ``url``, the address that the page came from; ``date`` of publication,
    YYYY-MM-DD, from 1995 on and not after ``latest`` (ISO); ``lang`` as claimed; ``og_type``; ``jsonld_type``.
    """
    found, end = _head(page)
    data = _json_ld(page)
    types = list(dict.fromkeys(_JSON_TYPE.findall(data)))
    claims = _JSON_DATE.findall(data) + [value for name, value in found.items() if name in _DATED]
    return {
        "title": _line(found.get("title", "")) or _line(found.get("og:title", "")),
        "description": _line(found.get("description", "")) or _line(found.get("og:description", "")),
        "canonical": _absolute(found.get("canonical", ""), url) or _absolute(found.get("og:url", ""), url),
        "date": _first_day(claims, latest) or _marked_day(page, end, latest) or _day_of_address(url, latest),
        "lang": found.get("lang", "").lower(),
        "og_type": _line(found.get("og:type", ""))[:40],
        "jsonld_type": next((kind for kind in types if kind in _ARTICLE_TYPES), types[0] if types else ""),
    }


def page_facts(
    html_bytes: int, replaced: int, counts: dict[str, int], fields: dict[str, str]
) -> dict[str, float | str]:
    """What the web-type model and the page rules are told of a page's structure, of scan and head_fields.

    Counts ``n_*`` of elements; ``text_ratio``: visible bytes of all; ``link_density``: visible bytes inside links of
    visible bytes; ``replaced``: U+FFFD for bad bytes; and all fields of the head but the date.
    """
    names = ("links", "paragraphs", "headings", "list_items", "tables", "images", "forms", "tags")
    told = ("jsonld_type", "og_type", "lang", "title", "description", "canonical")
    return {
        "html_bytes": html_bytes,
        "text_ratio": round(counts["text_bytes"] / max(1, html_bytes), 4),
        "link_density": round(counts["link_text_bytes"] / max(1, counts["text_bytes"]), 4),
        **{f"n_{name}": counts[name] for name in names},
        "depth": counts["depth"],
        "replaced": replaced,
        "has_jsonld_article": float(fields["jsonld_type"] in _ARTICLE_TYPES),
        **{name: fields[name] for name in told},
    }


def _head(page: str) -> tuple[dict[str, str], int]:
    """Title, language and wanted META contents of a head, the first of a name that is not empty; and where it ends.

    The end is 0 where none is found. Before the title none is believed, as it may stand in a script.
    """
    found: dict[str, str] = {}
    end = 0
    for tag in _HEAD.finditer(page, 0, HEAD_LIMIT):
        if tag.lastindex is None:  # </head or <body
            end = tag.start()
            if "title" in found:
                break
            continue
        name, value = tag.group(1, tag.lastindex)
        name = name.lower() if name else _IN_GROUP[tag.lastindex]
        found[name] = found.get(name) or value
    return found, end


def _json_ld(page: str) -> str:
    """The JSON-LD scripts of a page, joined; the last one cut where the search ends."""
    scripts = []
    at = page.find("application/ld+json", 0, HEAD_LIMIT)
    while at >= 0:
        end = page.find("</script", at, HEAD_LIMIT)
        scripts.append(page[at : end if end >= 0 else HEAD_LIMIT])
        at = page.find("application/ld+json", end, HEAD_LIMIT) if end >= 0 else -1
    return " ".join(scripts)


def _absolute(address: str, url: str) -> str:
    """An address resolved against ``url`` and without its fragment, "" unless it is one of the web.

    Nor is the home page taken for the address of another page: some sites name it on all their pages.
    """
    address = entities.unescape(address).partition("#")[0]
    if not address or len(address) > _ADDRESS_CHARACTERS:
        return ""
    if url and not _ADDRESS.fullmatch(address):
        try:
            address = urljoin(url, address)
        except ValueError:  # a stray bracket in the host
            return ""
    if not (address.isprintable() and _ADDRESS.fullmatch(address)):
        return ""
    is_home = url and _HOME_PAGE.fullmatch(address) and not _HOME_PAGE.fullmatch(url.partition("?")[0])
    return "" if is_home else address


def _marked_day(page: str, start: int, latest: str) -> str:
    """The date of the first element soon after the head that is marked as the date of publication."""
    end = min(start + _MARK_CHARACTERS, HEAD_LIMIT)
    for word, mark in _MARKS:
        for tag in _tags_with(word, page, start, end):
            if mark.match(tag) and (day := _first_day(_MARKED.findall(tag), latest)):
                return day
    return ""


def _tags_with(word: str, page: str, start: int, end: int) -> Iterator[str]:
    """The tags around the places of a word, each once."""
    while (at := page.find(word, start, end)) >= 0:
        start = at + len(word)
        opened, closed = page.rfind("<", max(0, at - _TAG_CHARACTERS), at), page.find(">", at, at + _TAG_CHARACTERS)
        if opened >= 0 and closed >= 0 and page.find(">", opened, at) < 0:
            yield page[opened : closed + 1]
            start = closed


def _first_day(claims: list[str], latest: str) -> str:
    """The first plausible date among what values say, in digits from the year on or in English words."""
    for claim in claims:
        text = claim[:_DATE_CHARACTERS]
        if match := _DATE_IN_DIGITS.search(text):
            year, month, day = filter(None, match.groups())
        elif match := _DATE_IN_WORDS.search(text):
            before, name, after, year = match.groups()
            month, day = str(_MONTHS.index(name.lower()) + 1), after or before or ""
        else:
            continue
        if written := _plausible(year, month, day, latest):
            return written
    return ""


def _day_of_address(url: str, latest: str) -> str:
    match = _DATE_IN_ADDRESS.search(url, url.find("/", len("https://")) + 1, _ADDRESS_CHARACTERS)
    if not match:
        return ""
    year, month, day = filter(None, match.groups())
    return _plausible(year, month, day, latest)


def _plausible(year: str, month: str, day: str, latest: str) -> str:
    """A date as YYYY-MM-DD, "" for one that does not exist or that no page can have."""
    try:
        date = datetime.date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""
    return date if date >= _EARLIEST and (not latest or date <= latest[:10]) else ""


def _line(markup: str) -> str:
    """One line of plain text, cut at a length."""
    if not markup:
        return ""
    return clean(" ".join(entities.unescape(markup).split()))[:_LINE_CHARACTERS]
