from __future__ import annotations

from html.parser import HTMLParser

import pytest
from htmldate import find_date
from htmldate.core import DATE_ATTRIBUTES
from hypothesis import given
from hypothesis import strategies as st

from pipeline.extraction.blocks import parse
from pipeline.extraction.facts import head_fields, page_facts, structure


class Oracle(HTMLParser):
    """The standard library's tokeniser, to count with."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


PAGE = """<!DOCTYPE html><html lang='en'><head><title>A < b</title><style>p > a {}</style>
<script>if (a < b) document.write("<p><a href=x>no</a></p>")</script></head><body><!-- <p>no</p> -->
<h1>Head</h1><h2>Two</h2><p>One <a href="?a>b">link</a> and <A HREF='x'>more</A><p>Two <br> lines
<ul><li>a<li>b</ul><table><tr><td>1<td>2</table><img src=x><form><input></form></body></html>"""


def test_counts_are_those_of_the_elements_outside_scripts_and_comments() -> None:
    counts = structure(parse(PAGE.encode()))
    oracle = Oracle()
    oracle.feed(PAGE)
    assert counts["tags"] == len(oracle.tags)
    expected = {
        "links": "a",
        "paragraphs": "p",
        "list_items": "li",
        "tables": "table",
        "images": "img",
        "forms": "form",
    }
    for name, tag in expected.items():
        assert counts[name] == oracle.tags.count(tag), name
    assert counts["headings"] == 2
    assert counts["link_text_bytes"] == len("linkmore")
    assert len("HeadTwoOne link and moreTwo linesab12") <= counts["text_bytes"] <= len(PAGE) / 3


def test_depth_counts_open_blocks_and_not_those_with_implied_ends() -> None:
    """Would catch a long list or an old page of unclosed <p> being dropped as too deep."""

    def depth(page: bytes) -> int:
        return structure(parse(page))["depth"]

    assert depth(b"<div>" * 7 + b"</div>" * 7 + b"<div>" * 3) == 7
    assert depth(b"<p>x<li>y<br><td>" * 1000) == 2
    assert depth(b"<p><b>x</p></b>" * 1000) == 2
    assert depth(b"<div><b><i>x</div>" * 1000) == 3
    assert depth(b"<div>" * 100_000) == 100_000


def test_attributes_of_one_tag_are_counted() -> None:
    assert structure(parse(b"<a b c=d e = 'f g' h=\"i>j\" k>text</a>"))["attributes"] == 5


@given(
    st.lists(
        st.sampled_from(["<", ">", "</", "<!--", "-->", "<p ", "a='", '"', "<script>", "</script", "x", " ", "<div>"])
    )
)
def test_any_markup_is_read_to_its_end(parts: list[str]) -> None:
    page = "".join(parts).encode()
    counts = structure(parse(page))
    assert counts["link_text_bytes"] <= counts["text_bytes"]
    assert counts["tags"] <= page.count(b"<")


def test_head_fields() -> None:
    head = """<html class=x lang="zh-Hant"><head><title>
      Salt &amp; pepper &#x2014; a
      story</title><meta property="og:type" content='article'><meta content="2021-03-04T10:00:00Z"
      property="article:published_time"><META NAME=Description CONTENT="What salt > pepper&#10;is">
      <link href="/salt?a=1&amp;b=2#top" rel="canonical">
      <script type="application/ld+json">{"@type": ["NewsArticle"]}</script>"""
    assert head_fields(head, "https://example.org/feed/salt") == {
        "title": "Salt & pepper — a story",
        "description": "What salt > pepper is",
        "canonical": "https://example.org/salt?a=1&b=2",
        "date": "2021-03-04",
        "lang": "zh-hant",
        "og_type": "article",
        "jsonld_type": "NewsArticle",
    }


def test_head_fields_of_a_page_without_any_are_empty() -> None:
    """Would catch the page's own address being given as what the page says."""
    assert set(head_fields("<p>text", "https://example.org/a").values()) == {""}


def test_the_fields_are_told_on() -> None:
    fields = head_fields('<meta name="description" content="About"><meta property="og:url" content="https://a.org/b">')
    facts = page_facts(100, 0, structure(parse(b"<p>x")), fields)
    assert (facts["description"], facts["canonical"]) == ("About", "https://a.org/b")


def test_the_first_title_counts_and_og_title_stands_in() -> None:
    assert head_fields("<title>one</title><svg><title>two</title></svg>")["title"] == "one"
    assert head_fields('<title> </title><meta property="og:title" content="three">')["title"] == "three"
    assert head_fields("<TITLE>a < <b>b</b></TITLE><p>c")["title"] == "a < <b>b</b>"


def test_a_body_that_a_script_writes_does_not_end_the_head() -> None:
    head = """<head><script>w('<body onload="x">')</script><title>T</title><meta property=og:type content=article>"""
    assert head_fields(head)["og_type"] == "article"
    assert head_fields(f"{head}</head><body><meta property=og:type content=website>")["og_type"] == "article"


@given(
    st.lists(
        st.sampled_from(["id=x", "class='a>b'", 'data-name="n"', "hidden", "data-content=no", "a = 'x=\"y'"]),
        max_size=15,
    )
)
def test_a_meta_element_is_read_with_any_attributes_in_any_order(attributes: list[str]) -> None:
    """Would catch the content of one attribute being taken for another's, and quotes that are not paired."""
    for order in ("name=description {} content='it is'", 'content="it is" {} name="description"'):
        tag = order.format(" ".join(attributes))
        assert head_fields(f"<head><meta {tag}/></head>")["description"] == "it is"


OF_OTHER_THINGS = {"meta", "timestamp", "gentime", "pdate", "ptime", "release_date", "video:release_date"}


@pytest.mark.parametrize("name", sorted(DATE_ATTRIBUTES))
def test_dates_of_meta_elements_are_those_of_htmldate(name: str) -> None:
    head = f'<html><head><title>t</title><meta name="{name}" content="2019-11-20 13:42"></head><body></body></html>'
    expected = "" if name in OF_OTHER_THINGS else find_date(head, original_date=True, max_date="2026-01-01")
    assert head_fields(head)["date"] == expected


@pytest.mark.parametrize(
    ("written", "date"),
    [
        ("2019-05-07T23:59:59+08:00", "2019-05-07"),
        ("2019/5/7", "2019-05-07"),
        ("20190507", "2019-05-07"),
        ("20190507123456", "2019-05-07"),
        ("2019年5月7日 12:30", "2019-05-07"),
        ("Wednesday, October 31, 2012, 4:44 PM", "2012-10-31"),
        ("Thu, 09 Aug 2012 09:26:22 PDT", "2012-08-09"),
        ("Fri Mar 13 21:30:09 EST 2015", "2015-03-13"),
        ("27th December 2006", "2006-12-27"),
        ("2019-02-30", ""),
        ("1994-12-31", ""),
        ("17:00", ""),
        ("May 2019", ""),
        ("5/7/2019", ""),  # of May or of July
        ("2019", ""),
    ],
)
def test_a_date_is_read_however_it_is_written(written: str, date: str) -> None:
    assert head_fields(f'<meta name="pubdate" content="{written}">')["date"] == date


def test_sources_of_the_date_in_their_order() -> None:
    """Would catch a date of the address or of the text winning over what the page says of itself."""
    linked = '<script type="application/ld+json">{"datePublished": "2001-01-01"}</script>'
    meta = '<meta name="date" content="2002-02-02">'
    time = '<time class="entry-date published" datetime="2004-04-04">x</time>'
    item = '<b itemprop="datePublished" content="2003-03-03">x</b>'
    page = f"<title>t</title>{meta}</head><body>{time}{item}{linked}"
    found = []
    for source in (linked, meta, item, time, time):
        found.append(head_fields(page, "https://a.org/2005/05/05/x")["date"])
        page = page.replace(source, "")
    assert found == ["2001-01-01", "2002-02-02", "2003-03-03", "2004-04-04", "2005-05-05"]


def test_a_date_that_cannot_be_is_passed_over() -> None:
    page = '<meta name="date" content="2031-01-01"><meta name="created" content="2019-06-01">'
    assert head_fields(page, latest="2020-01-01T00:00:00Z")["date"] == "2019-06-01"
    assert head_fields(page, "https://a.org/2018/01/02/", "2018-12-31")["date"] == "2018-01-02"
    assert head_fields(page, "", "2019-06-01")["date"] == "2019-06-01"


def test_a_time_that_is_not_marked_as_of_publication_is_not_taken() -> None:
    """Would catch the date of a comment, an event or the newest entry of a list being taken."""
    body = "<title>t</title></head><body>"
    assert head_fields(body + '<time datetime="2019-05-07">x</time>')["date"] == ""
    assert head_fields(body + "<p>published <a href='>'></a><time datetime='2019-05-07'>")["date"] == ""
    assert head_fields(body + "<time pubdate datetime=2019-05-07>x</time>")["date"] == "2019-05-07"


@pytest.mark.parametrize(
    ("path", "date"),
    [
        ("2019/05/07/title", "2019-05-07"),
        ("a/20190507/", "2019-05-07"),
        ("n1/2024/0517/c14739-40237861.html", "2024-05-17"),
        ("gn/202405/t20240513_15249693.htm", "2024-05-13"),
        ("story/2019-11-19/disney", "2019-11-19"),
        ("2019/5/7", "2019-05-07"),
        ("item/201905071", ""),
        ("docs/2019.1.12/", ""),
        ("2019/13/07/", ""),
        ("2019/05/", ""),
    ],
)
def test_dates_in_addresses(path: str, date: str) -> None:
    assert head_fields("<p>", f"https://20200101.example.org/{path}")["date"] == date


@pytest.mark.parametrize(
    ("href", "canonical"),
    [
        ("https://a.org/x#part", "https://a.org/x"),
        ("../y", "https://a.org/y"),
        ("//b.org/z", "https://b.org/z"),
        ("HTTP://A.org/X?q=ü", "HTTP://A.org/X?q=ü"),
        ("https://a.org/", ""),  # the home page is not this page
        ("https://a.org", ""),
        ("http://title-of-the-page", ""),
        ("https://a.org/a\x00b", ""),
        ("javascript:void(0)", ""),
        ("http://[a/b", ""),
        ("#", ""),
        ("https://a.org/" + "x" * 2000, ""),
    ],
)
def test_canonical_addresses(href: str, canonical: str) -> None:
    assert head_fields(f'<link rel="canonical" href="{href}">', "https://a.org/b/c?d")["canonical"] == canonical


def test_canonical_without_an_address_to_resolve_against() -> None:
    assert head_fields("<link rel=canonical href=/x>")["canonical"] == ""
    assert (
        head_fields("<link rel=canonical href='https://a.org/'>", "https://a.org/?ref=1")["canonical"]
        == "https://a.org/"
    )
    both = "<link rel=canonical href=mailto:x><meta property=og:url content=https://a.org/x>"
    assert head_fields(both)["canonical"] == "https://a.org/x"


HOSTILE = [
    "<meta",
    "<meta ",
    '<meta name="',
    "<meta name=description ",
    "<meta name=description content='",
    "<meta a='<meta b=\"",
    "<meta a=b c ",
    "<meta name" + " " * 99,
    "<title>",
    "<title><",
    "<html lang=",
    "<link rel=canonical href='",
    "<time pubdate datetime='",
    " datetime=",
    " itemprop=datePublished",
    '<script type="application/ld+json">{"@type":',
    '"datePublished":"20',
    "</head",
    "&#x",
    '="',
    "2019/",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_of_a_hostile_page_only_the_beginning_is_read(unit: str) -> None:
    """A million tags or quotes that never close: hangs if the time is not linear in what is looked at."""
    page = unit * 1_000_000
    head = page[: 65536 + 1000]  # a tag's end may stand behind the limit
    assert head_fields(page, page) == head_fields(head, page)
    assert len("".join(head_fields(page).values())) < 5000


@given(st.lists(st.sampled_from([*HOSTILE, *"<>'\"=/ x", "-->", "content=", "</title>", "\ud800", "&lt;", "\n"])))
def test_any_head_gives_lines_that_can_be_stored(parts: list[str]) -> None:
    for value in head_fields("".join(parts), "https://a.org/b", "2026-01-01").values():
        assert "\n" not in value and len(value) <= 2000
        value.encode()
