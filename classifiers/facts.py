"""What the HTML and the address of a page say about its type, as numbers for the web-type and quality models."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

COUNTS = ("n_links", "n_paragraphs", "n_headings", "n_list_items", "n_tables", "n_images", "n_forms")
SHARES = ("text_ratio", "link_density")

# schema.org types (JSON-LD) and Open Graph types that tell a web type; the first that matches counts.
DECLARED = {
    "forum": re.compile(r"DiscussionForumPosting|QAPage|FAQPage|Question|Answer|Comment"),
    "media": re.compile(r"Video|Audio|Music|Podcast|ImageGallery|^video|^music"),
    "product": re.compile(r"Product|Offer|Job|Listing|Business|Store|Hotel|Application|Event|^product|^place"),
    "listing": re.compile(r"ItemList|Collection|SearchResults"),
    "article": re.compile(r"Article|Posting|Report|Recipe|HowTo|Review|^article"),
    "website": re.compile(r"WebSite|WebPage|Organization|^website|^blog"),
}
ADDRESS = {
    "forum": re.compile(r"forum|thread|topic|/t/|discuss|bbs|board|msg|mailman|pipermail|archives/.*\d{4}"),
    "product": re.compile(r"product|shop|store|item|/p/|/dp/|service|job|propert|hotel"),
    "listing": re.compile(r"/tag|categor|archive|/list|index|search|/author|/page/|sitemap|directory"),
    "tool": re.compile(r"login|contact|cart|checkout|regist|signup|calculat|account"),
    "media": re.compile(r"video|watch|galler|photo|image|lyric|podcast|download"),
    "reference": re.compile(r"wiki|docs|manual|/api|reference|man/|spec|glossary|dictionar|/rfc"),
    "article": re.compile(r"/(19|20)\d\d/|blog|news|article|story|/post|-\w+-\w+-\w+-"),
}
FACTS = (
    "present",
    *COUNTS,
    *SHARES,
    "text_share",  # characters of the text by visible bytes of the page
    "address_depth",
    "address_query",
    *(f"declared_{name}" for name in DECLARED),
    *(f"address_{name}" for name in ADDRESS),
)


def measure_facts(texts: Sequence[str], facts: Sequence[Mapping[str, Any]] | None) -> NDArray[np.float32]:
    """float32 [n, len(FACTS)]: the values named in ``FACTS``; counts by log(1 + n), all 0 for a page without facts."""
    if facts is None:
        return np.zeros((len(texts), len(FACTS)), np.float32)
    rows = [_measure(text, fact) if fact else [0.0] * len(FACTS) for text, fact in zip(texts, facts, strict=True)]
    return np.array(rows, np.float32).reshape(len(texts), len(FACTS))


def _measure(text: str, facts: Mapping[str, Any]) -> list[float]:
    visible = float(facts.get("html_bytes", 0)) * float(facts.get("text_ratio", 0))
    declared = next((d for field in ("jsonld_type", "og_type") if (d := _declared(facts.get(field)))), "")
    address = urlsplit(_address(facts.get("url")))
    path = address.path.lower()
    return [
        1.0,
        *(math.log1p(max(float(facts.get(name, 0)), 0)) for name in COUNTS),
        *(float(facts.get(name, 0)) for name in SHARES),
        min(len(text) / visible, 1.0) if visible else 0.0,
        float(len([part for part in path.split("/") if part])),
        float(bool(address.query)),
        *(float(name == declared) for name in DECLARED),
        *(float(bool(pattern.search(path))) for pattern in ADDRESS.values()),
    ]


def _declared(value: Any) -> str:
    return next((name for name, pattern in DECLARED.items() if pattern.search(str(value))), "") if value else ""


def _address(url: Any) -> str:
    """A URL that urlsplit takes: a broken bracket in the host is no reason to fail."""
    return re.sub(r"[\[\]]", "", str(url or ""))
