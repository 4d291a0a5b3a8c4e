"""The demo crawl's sources and what its builder makes of them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import re
import sys
import zlib
from collections import Counter
from pathlib import Path

import pytest
import trafilatura
import yaml
from lxml import html

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "examples/demo_crawl"))

from build import build  # noqa: E402
from fetches import all_fetches, article_page, load_special  # noqa: E402
from pages import Article, Site, load_articles, load_sites, render  # noqa: E402

ARTICLES = load_articles()
SITES = load_sites()
FATES = {"kept", "dropped", "passed over", "quarantined", "one of a pair"}
SHOWN = {
    *("duplicate-tracking", "duplicate-http", "duplicate-session", "duplicate-print", "duplicate-http-chinese"),
    *("mirror-river-terraces", "mirror-c-strings", "mirror-cover-crops", "mirror-granary", "mirror-spacing-effect"),
    *("bulletin-monday", "bulletin-tuesday", "rewrite-fishery-earnings", "spam-cheap-shoes", "spun-loan-page"),
    *("link-list", "too-short"),
    *("lorem-ipsum", "javascript-required", "repeated-lines", "wiki-diff", "login-prompt", "endless-word"),
    *("video-page", "tool-page", "forum-thread", "gibberish", "german-page", "french-page", "blocked-domain"),
    *("blocked-word", "not-found", "soft-404", "redirect", "empty-body", "pdf", "image", "robots", "json", "revisit"),
    *("gzip-body", "chunked-body", "corrupt-member", "garbage-before", "wrong-length", "cut-record"),
}


def words(text: str) -> Counter[str]:
    """Chinese characters and other words, counted."""
    return Counter(re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", text))


def members(data: bytes) -> list[bytes]:
    """What the sound gzip members of a file hold; damaged ones are left out."""
    found = []
    for start in re.finditer(re.escape(b"\x1f\x8b\x08\x00\x00\x00\x00\x00"), data):
        inflate = zlib.decompressobj(wbits=31)
        try:
            record = inflate.decompress(data[start.start() :])
        except zlib.error:
            continue
        if inflate.eof:
            found.append(record)
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return [path.read_bytes() for path in build(tmp_path_factory.mktemp("demo"))]


def test_same_bytes_every_time(files: list[bytes], tmp_path: Path) -> None:
    """Would catch a clock, a random number, or a path in what is written."""
    again = [path.read_bytes() for path in build(tmp_path)]
    assert [hashlib.sha256(file).hexdigest() for file in files] == [hashlib.sha256(file).hexdigest() for file in again]


def test_enough_articles_of_enough_categories() -> None:
    """Would catch a lost folder, and a category that the taxonomy does not know."""
    taxonomy = yaml.safe_load((REPOSITORY / "classifiers/taxonomy.yaml").read_text(encoding="utf-8"))
    leaves = {category["id"] for category in taxonomy["categories"]}
    chinese = [article for article in ARTICLES if SITES[article.site].language == "zh"]
    assert len(ARTICLES) >= 160
    assert len(chinese) >= 50
    assert {article.category for article in ARTICLES} <= leaves
    assert len({article.category for article in ARTICLES}) >= 120
    assert len({article.slug for article in ARTICLES}) == len(ARTICLES)


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.slug)
def test_article_is_neither_a_stub_nor_a_book(article: Article) -> None:
    """Would catch an article that was cut short, or stands in the wrong language's folder."""
    if SITES[article.site].language == "zh":
        assert 250 <= len(re.findall(r"[\u4e00-\u9fff]", article.text)) <= 520
    else:
        assert 100 <= len(article.text.split()) <= 300


def test_special_pages_are_all_there() -> None:
    """Would catch an example that was lost, or that does not say what is to become of it."""
    special = {entry["name"]: entry for entry in load_special()}
    assert special.keys() >= SHOWN
    assert all(entry["fate"] in FATES and entry["shows"] for entry in special.values())


def test_line_of_a_publisher_stands_on_many_pages() -> None:
    """Would catch heads too rare for the rule on lines repeated between documents."""
    heads = Counter(SITES[article.site].head for article in ARTICLES)
    assert sum(count > 30 for count in heads.values()) >= 2


def test_every_page_parses() -> None:
    """Would catch a placeholder that nothing fills in, and markup that lxml takes no text from."""
    for article in ARTICLES:
        page = article_page(article, SITES[article.site], ARTICLES).decode(SITES[article.site].charset)
        assert words(html.fromstring(page).text_content()) >= words(article.title)


@pytest.mark.parametrize("site", SITES.values(), ids=lambda site: site.id)
def test_extraction_finds_the_article_in_every_design(site: Site) -> None:
    """Would catch a design in which the reference extractor misses the article, or takes a menu for it."""
    for article in [article for article in ARTICLES if article.site == site.id][:3]:
        page = article_page(article, site, ARTICLES).decode(site.charset)
        extracted = words(trafilatura.extract(page) or "")
        wanted = words(article.text)
        assert (extracted & wanted).total() >= 0.9 * wanted.total()
        assert (extracted - wanted).total() <= 0.35 * extracted.total()


def test_gbk_pages_call_themselves_gb2312() -> None:
    """Would catch a crawl in which every page is UTF-8."""
    site = SITES["shuyuan"]
    article = next(article for article in ARTICLES if article.site == site.id)
    page = article_page(article, site, ARTICLES)
    assert b"charset=gb2312" in page
    with pytest.raises(UnicodeDecodeError):
        page.decode("utf-8")


def test_files_hold_what_a_crawl_holds(files: list[bytes]) -> None:
    """Would catch a missing record type, and a fetch that was not written."""
    kinds = Counter(record.split(b"WARC-Type: ")[1].split(b"\r\n")[0] for file in files for record in members(file))
    fetches = all_fetches()
    damaged = Counter(fetch.damage for fetch in fetches)
    assert kinds[b"warcinfo"] == 2
    assert kinds[b"request"] == len(fetches)
    assert kinds[b"response"] == len(fetches) - kinds[b"revisit"] - damaged["corrupt"] - damaged["cut"]
    assert kinds[b"metadata"] == len(fetches) - damaged["cut"]
    assert kinds[b"revisit"] == 1


def test_damage_is_where_it_should_be(files: list[bytes]) -> None:
    """Would catch a broken record that became sound, so that nothing shows how it is handled."""
    with pytest.raises((zlib.error, gzip.BadGzipFile)):
        gzip.decompress(files[0])
    with pytest.raises(EOFError):
        gzip.decompress(files[1])
    lengths = [record for file in files for record in members(file) if b"WARC-Type: response" in record[:200]]
    short = [record for record in lengths if int(re.search(rb"Content-Length: (\d+)", record)[1]) < block(record)]
    assert len(short) == 1


def block(record: bytes) -> int:
    """The true length of a record's block."""
    return len(record.split(b"\r\n\r\n", 1)[1]) - len(b"\r\n\r\n")


def test_light_markdown() -> None:
    """Would catch markup that is shown as text, and text that is taken for markup."""
    text = "## A\nfirst\n\n- x\n- y\n\n```py\na < b\n\n# c\n```\n\n| 1 | 2 |\n|---|---|\n| `3` | 4 |\n\nverse\nverse"
    assert render(text, "p").split("\n", 4)[:4] == [
        "<h2>A</h2>",
        "<p>first</p>",
        "<ul><li>x</li><li>y</li></ul>",
        "<pre><code>a &lt; b",
    ]
    assert "<tr><td><code>3</code></td><td>4</td></tr></table>\n<p>verse<br>\nverse</p>" in render(text, "p")
    assert render("one\n\ntwo", "br") == "one<br><br>\ntwo"


def test_article_text_cannot_break_a_page() -> None:
    """Would catch markup in an article's title or text that is not escaped."""
    article = dataclasses.replace(ARTICLES[0], title='</script><b>"', text="</div><script>x</script> and some text")
    for site in SITES.values():
        page = article_page(article, site, []).decode(site.charset)
        assert "<script>x" not in page
        assert "</script><b>" not in page
