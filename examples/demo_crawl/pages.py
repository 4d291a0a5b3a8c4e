"""From an article file to the bytes of a web page: sites, light Markdown, and page designs."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Site:
    """One site of sites.yaml; the comments there say what each field means."""

    id: str
    name: str
    tagline: str
    domain: str
    language: str
    design: str
    blocks: str
    charset: str
    path: str
    navigation: tuple[str, ...]
    head: str
    tail: str
    http: dict[str, Any]
    declared: str = ""

    def url(self, slug: str, date: str) -> str:
        year, month, day = date.split("-")
        path = Template(self.path).substitute(slug=slug, year=year, month=month, day=day, number=number(slug))
        return f"https://{self.domain}{path}"


@dataclass(frozen=True)
class Article:
    """One file of articles/: a page's title, category and text in light Markdown."""

    slug: str
    title: str
    category: str
    site: str
    date: str
    author: str
    text: str


def number(slug: str) -> int:
    """The six-digit number by which some sites address an article."""
    return 100_000 + int.from_bytes(hashlib.sha1(slug.encode()).digest()[:4], "big") % 900_000


def load_sites() -> dict[str, Site]:
    sites = yaml.safe_load((HERE / "sites.yaml").read_text(encoding="utf-8"))["sites"]
    return {id: Site(id=id, **{**fields, "navigation": tuple(fields["navigation"])}) for id, fields in sites.items()}


def load_articles() -> list[Article]:
    """All articles in the order of their paths."""
    return [read_article(path) for path in sorted((HERE / "articles").glob("*/*.md"))]


def read_article(path: Path) -> Article:
    _, head, text = path.read_text(encoding="utf-8").split("---\n", 2)
    fields = {key: str(value) for key, value in yaml.safe_load(head).items()}
    return Article(slug=path.stem, text=text.strip(), **fields)


def page(article: Article, site: Site, related: list[tuple[str, str]]) -> bytes:
    """The article in its site's design. `related` is (title, url) of other pages of the site."""
    design = Template((HERE / "designs" / f"{site.design}.html").read_text(encoding="utf-8"))
    url = site.url(article.slug, article.date)
    cents = number(article.slug) % 9_900 + 100
    text = design.substitute(
        title=html.escape(article.title, quote=True),
        title_json=json.dumps(article.title, ensure_ascii=False).replace("<", "\\u003c"),
        author=html.escape(article.author),
        date=article.date,
        year=article.date[:4],
        number=number(article.slug),
        price=f"{cents // 100}.{cents % 100:02}",
        url=html.escape(url),
        charset=site.declared or site.charset,
        site=html.escape(site.name),
        site_json=json.dumps(site.name, ensure_ascii=False),
        domain=site.domain,
        tagline=html.escape(site.tagline),
        navigation=links((entry, f"/section/{place}") for place, entry in enumerate(site.navigation)),
        related=links(related),
        head=html.escape(site.head),
        tail=html.escape(site.tail),
        article=render(article.text, site.blocks),
    )
    return text.encode(site.charset)


def links(entries: Any) -> str:
    return "".join(f'<li><a href="{html.escape(url)}">{html.escape(text)}</a></li>' for text, url in entries)


def split_blocks(text: str) -> Iterator[str]:
    """Blocks of light Markdown: separated by blank lines, except in fenced code, and a heading is its own block."""
    for piece in re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL):
        if piece.startswith("```"):
            yield piece
        else:
            pieces = re.split(r"\n\s*\n|(^##.*$)", piece, flags=re.MULTILINE)
            yield from (block.strip() for block in pieces if block and block.strip())


def render(text: str, blocks: str) -> str:
    """Light Markdown as HTML; `blocks` says how paragraphs are marked up (see sites.yaml)."""
    separator = "<br><br>\n" if blocks == "br" else "\n"
    return separator.join(render_block(block, blocks) for block in split_blocks(text))


def render_block(block: str, blocks: str) -> str:
    lines = block.split("\n")
    if block.startswith("```"):
        return f"<pre><code>{html.escape(chr(10).join(lines[1:-1]))}</code></pre>"
    if block.startswith("#"):
        return f"<h2>{inline(block.lstrip('# '))}</h2>"
    if all(line.startswith("|") for line in lines):
        return render_table(lines)
    for marker, tag in ((r"- ", "ul"), (r"\d+\. ", "ol")):
        if re.match(marker, block):
            entries = "".join(f"<li>{inline(entry)}</li>" for entry in re.split(rf"^{marker}", block, flags=re.M)[1:])
            return f"<{tag}>{entries}</{tag}>"
    text = "<br>\n".join(map(inline, lines))
    return text if blocks == "br" else f"<{blocks}>{text}</{blocks}>"


def render_table(lines: list[str]) -> str:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rows = [row for row in rows if not all(re.fullmatch(":?-+:?", cell) for cell in row)]
    cells = ["".join(f"<td>{inline(cell)}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def inline(text: str) -> str:
    """Escaped text with `code` and **strong** marked up."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text.strip(), quote=False))
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
