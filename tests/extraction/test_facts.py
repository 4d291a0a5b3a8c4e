from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from pipeline.extraction.facts import head_fields, scan


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
    counts = scan(PAGE.encode(), 500)
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
    assert counts["text_bytes"] == len("HeadTwoOnelinkandmoreTwolinesab12")


def test_depth_counts_open_elements_and_not_those_with_implied_ends() -> None:
    """Would catch a long list or an old page of unclosed <p> being dropped as too deep."""
    assert scan(b"<div>" * 7 + b"</div>" * 7 + b"<div>" * 3, 500)["depth"] == 7
    assert scan(b"<p>x<li>y<br><td>" * 1000, 500)["depth"] == 0
    assert scan(b"<p><b>x</p></b>" * 1000, 500)["depth"] == 1
    assert scan(b"<div><b><i>x</div>" * 1000, 500)["depth"] == 3


def test_the_pass_stops_where_the_depth_limit_is_passed() -> None:
    assert scan(b"<div>" * 100_000, 500) | {"tags": 0} == scan(b"<div>" * 501, 500) | {"tags": 0}


def test_attributes_of_one_tag_are_counted() -> None:
    assert scan(b"<a b c=d e = 'f g' h=\"i>j\" k>text</a>", 500)["attributes"] == 5


@given(
    st.lists(
        st.sampled_from(["<", ">", "</", "<!--", "-->", "<p ", "a='", '"', "<script>", "</script", "x", " ", "<div>"])
    )
)
def test_any_markup_is_read_to_its_end(parts: list[str]) -> None:
    page = "".join(parts).encode()
    counts = scan(page, 500)
    assert counts["link_text_bytes"] <= counts["text_bytes"] <= len(page)
    assert counts["tags"] <= page.count(b"<")


def test_head_fields() -> None:
    head = """<html class=x lang="zh-Hant"><head><title>
      Salt &amp; pepper &#x2014; a
      story</title><meta property="og:type" content='article'><meta content="2021-03-04T10:00:00Z"
      property="article:published_time"><script type="application/ld+json">{"@type": ["NewsArticle"]}</script>"""
    assert head_fields(head) == {
        "title": "Salt & pepper — a story",
        "date": "2021-03-04",
        "lang": "zh-hant",
        "og_type": "article",
        "jsonld_type": "NewsArticle",
    }


def test_head_fields_of_a_page_without_any_are_empty() -> None:
    assert set(head_fields("<p>text").values()) == {""}


def test_the_first_title_counts_and_og_title_stands_in() -> None:
    assert head_fields("<title>one</title><svg><title>two</title></svg>")["title"] == "one"
    assert head_fields('<title> </title><meta property="og:title" content="three">')["title"] == "three"
