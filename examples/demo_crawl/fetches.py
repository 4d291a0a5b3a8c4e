"""What the crawler fetched: every article's page, and the special pages of special.yaml."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
from dataclasses import dataclass
from typing import Any

import yaml
from pages import HERE, Article, Site, load_articles, load_sites, page

REASONS = {200: "OK", 301: "Moved Permanently", 404: "Not Found"}
RELATED_LINKS = 5
CHUNK_BYTES = 1_000


@dataclass(frozen=True)
class Fetch:
    """One address and what its server answered."""

    url: str
    language: str
    head: bytes  # HTTP status line and fields, with the blank line
    body: bytes  # as it was sent, its codings in place
    media_type: str
    revisit: bool = False  # fetched before, not stored again
    damage: str = ""  # what is wrong with the stored record (see warc.py)


def all_fetches() -> list[Fetch]:
    """Every fetch, in a fixed order that mixes the sites."""
    sites, articles = load_sites(), load_articles()
    fetches = [article_fetch(article, sites[article.site], articles) for article in articles]
    fetches += [special_fetch(entry, sites, articles) for entry in load_special()]
    return sorted(fetches, key=lambda fetch: hashlib.sha1(fetch.url.encode()).digest())


def load_special() -> list[dict[str, Any]]:
    return yaml.safe_load((HERE / "special.yaml").read_text(encoding="utf-8"))["pages"]


def article_fetch(article: Article, site: Site, articles: list[Article]) -> Fetch:
    url = site.url(article.slug, article.date)
    return answer(url, site, article_page(article, site, articles), {})


def article_page(article: Article, site: Site, articles: list[Article]) -> bytes:
    """The page of an article, with links to the articles that follow it on its site."""
    siblings = [other for other in articles if other.site == site.id]
    after = [other for other in siblings if other.slug > article.slug]
    others = [other for other in after + siblings if other.slug != article.slug][:RELATED_LINKS]
    return page(article, site, [(other.title, site.url(other.slug, other.date)) for other in others])


def special_fetch(entry: dict[str, Any], sites: dict[str, Site], articles: list[Article]) -> Fetch:
    """One entry of special.yaml, which describes the ways to give its body."""
    by_slug = {article.slug: article for article in articles}
    if "copy_of" in entry or "mirror_of" in entry:
        article = by_slug[entry.get("copy_of") or entry["mirror_of"]]
        site = sites[article.site]
        body = article_page(article, site, articles)
        original = site.url(article.slug, article.date)
        url = entry["url"].format(original=original, rest=original.split("://")[1], path=original.split("/", 3)[3])
        if "mirror_of" in entry:
            body = mirror(body.decode(site.charset), entry).encode(site.charset)
    elif "text" in entry:
        site = sites[entry["site"]]
        if entry.get("bare"):
            site = dataclasses.replace(site, head="", tail="")
        title, date, author, text = (str(entry[field]) for field in ("title", "date", "author", "text"))
        article = Article(entry["name"], title, "", site.id, date, author, text)
        body = article_page(article, site, articles)
        url = entry.get("url") or site.url(article.slug, article.date)
    else:
        site = sites[entry["site"]]
        body = bytes.fromhex(entry["hex"]) if "hex" in entry else entry["body"].encode(site.charset)
        url = entry["url"]
    return answer(url, site, body * entry.get("times", 1), entry)


def mirror(page: str, entry: dict[str, Any]) -> str:
    """A page as another host serves it again: a banner on top and some words changed."""
    for old, new in entry["replace"].items():
        if old not in page:
            raise ValueError(f"special.yaml, {entry['name']}: the page does not contain {old!r}")
        page = page.replace(old, new)
    start = page.lower().index("<body")
    end = page.index(">", start) + 1
    return f'{page[:end]}\n<div class="mirror">{entry["banner"]}</div>{page[end:]}'


def answer(url: str, site: Site, body: bytes, entry: dict[str, Any]) -> Fetch:
    """The server's answer in its site's HTTP habits; `entry` may override status, type, and codings."""
    http = {**site.http, **entry.get("http", {})}
    fields = {"Date": "Sat, 18 May 2024 00:00:00 GMT", "Server": http["server"], "Content-Type": http["content_type"]}
    if http.get("location"):
        fields["Location"] = http["location"]
    if http.get("coding"):
        fields["Content-Encoding"] = http["coding"]
        body = gzip.compress(body, mtime=0)
    if http.get("chunked"):
        fields["Transfer-Encoding"] = "chunked"
        body = chunked(body)
    else:
        fields["Content-Length"] = str(len(body))
    status = http.get("status", 200)
    spelled = {name.lower() if http["spelling"] == "lower" else name: value for name, value in fields.items()}
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {value}" for name, value in spelled.items())]
    return Fetch(
        url=url,
        language=site.language,
        head="\r\n".join([*lines, "", ""]).encode(),
        body=body,
        media_type=http["content_type"].split(";")[0],
        revisit=entry.get("revisit", False),
        damage=entry.get("damage", ""),
    )


def chunked(body: bytes) -> bytes:
    pieces = [body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
