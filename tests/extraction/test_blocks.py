"""The pass over the bytes: agrees with a real HTML parser on real pages, and survives whatever a page holds."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.extraction.blocks import parse
from pipeline.extraction.columns import (
    ELEMENT,
    ELEMENT_TAG,
    END,
    FIRST,
    KIND,
    LAST,
    LINK_BYTES,
    PARENT,
    START,
    VERBATIM,
)
from pipeline.extraction.decode import decode
from pipeline.extraction.elements import NAMES
from pipeline.extraction.tree import Tree

UNREAD = (
    "script,style,svg,template,select,canvas,audio,video,datalist,textarea,title,iframe,noembed,noframes,noscript,math"
)

HIDDEN = ",".join(
    f"{name}[style*=none],{name}[hidden]" for name in ["span", "a", "b", "i", "em", "strong", "font", "label", "small"]
)


def blocks_of(html: str) -> list[tuple[str, str]]:
    """Text and element name of each block."""
    tree = parse(html.encode())
    return [(text_of(tree, number), tag_of(tree, number)) for number in range(len(tree.blocks))]


def text_of(tree: Tree, number: int) -> str:
    block = tree.blocks[number]
    return bytes(tree.text[block[START] : block[END]]).replace(b"\0", b"").decode("utf-8")


def tag_of(tree: Tree, number: int) -> str:
    return NAMES[tree.elements[tree.blocks[number, ELEMENT], ELEMENT_TAG]]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>One<p>Two", [("One", "p"), ("Two", "p")]),
        ("<p>One<div>Two</div>", [("One", "p"), ("Two", "div")]),
        ("<ul><li>a<li>b<ul><li>c</ul>d</ul>", [("a", "li"), ("b", "li"), ("c", "li"), ("d", "li")]),
        ("<dl><dt>a<dd>b<dt>c</dl>", [("a", "dt"), ("b", "dd"), ("c", "dt")]),
        ("<h2>a<h3>b</h2>c", [("a", "h2"), ("b", "h3"), ("c", "html")]),
        ("<table><tr><td>a</div>b<td>c</table>d", [("ab", "td"), ("c", "td"), ("d", "html")]),
        ("<div>a</p>b</span>c</div>d", [("a", "div"), ("bc", "div"), ("d", "html")]),
        ("x<my-card>y</my-card>z", [("x", "html"), ("y", "unknown"), ("z", "html")]),
        ("a<b>b</b> <i> c</i>d", [("ab cd", "html")]),
        ("a<br>b<br><br>c", [("a\nb", "html"), ("c", "html")]),
        ("<a href=1>Home</a><a href=2>News</a>", [("Home News", "html")]),
    ],
)
def test_blocks_are_those_that_a_browser_shows(html: str, expected: list[tuple[str, str]]) -> None:
    assert blocks_of(html) == expected


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("&lt;p&gt; &amp; &eacute;&#233;&#xE9; &notin; &copy2020 &nosuch; &", "<p> & ééé ∉ ©2020 &nosuch; &"),
        ("&#128;&#0;&#xD800;&#x110000;&#99999999999;", "€\ufffd\ufffd\ufffd\ufffd"),
        ("a&nbsp;\u00a0 b", "a b"),
        ("3 < 4 <5 <!-- x > --> </ > y <?php z ?>w", "3 < 4 <5 y w"),
        ("<!-->a<!--->b<!-- -- -->c<!-- --!>d", "abcd"),
        ("<script>if (a < b) '</p>'</script >x<style>p{}</STYLE>y", "xy"),
        ("<p title='a > b' x=>z", "z"),
        ("\u3000\u4f60\u597d\u3000", "\u3000\u4f60\u597d\u3000"),
        ("<svg><text>a</text><svg></svg>b</svg>c<select><option>d</select>", "c"),
        ("<svg>no end", "no end"),
        ("<h2>a<a class=headerlink href=#a>\u00b6</a></h2>b", "a b"),
        ("<span style='Display : none'>a<span>b</span>c</span>d", "d"),
    ],
)
def test_markup_that_is_not_text_and_text_that_looks_like_markup(html: str, text: str) -> None:
    assert " ".join(text for text, _ in blocks_of(html)) == text


def test_listings_keep_their_lines_and_lose_their_line_numbers() -> None:
    html = "<pre>\n<span class='lineno'>1</span>if a:\r\n\t<b>b</b> &lt; c<div>x</div>  y\n\n</pre>z"
    tree = parse(html.encode())
    assert text_of(tree, 0) == "if a:\n\tb < c\nx\n  y"
    assert tree.blocks[0, KIND] == VERBATIM
    assert text_of(tree, 1) == "z"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<pre class='line-numbers'><code class='line-numbers'>a\nb</code></pre>", "a\nb"),
        ("<table><td class='gutter'><pre>1\n2</pre><td><pre>a\nb</pre></table>", "a\nb"),
        ("<pre><div><span>1</span><div>a\n</div></div><div><span>2</span><div>b\n</div></div></pre>", "1a\n2b"),
        ("<pre>a<div>b</div>c</pre>", "a\nb\nc"),
        ("<pre>a\nb<button>Copy</button><div style='display:none'>c</div></pre>", "a\nb"),
        ("<div hidden><pre><div>a</div><div>b</div></pre></div>", "a\nb"),
        ("<pre> \n\n  a\n b\n </pre>", "  a\n b"),
        ("<pre>\n  <code>\n    <xmp>a &lt; <b>\r\nb</xmp></code></pre>", "    a &lt; <b>\nb"),
    ],
)
def test_a_listing_is_its_code_alone(html: str, text: str) -> None:
    """Would catch a listing that is lost since its class asks for line numbers, lines that are cut or run together,
    and buttons taken for code."""
    assert [text for text, _ in blocks_of(html)] == [text]


@pytest.mark.parametrize(
    "html",
    [
        '<span class="katex"><span class="katex-mathml"><math><semantics><mi>x</mi><annotation encoding='
        '"application/x-tex">x^2 &lt; 3</annotation></semantics></math></span>'
        '<span class="katex-html">x2</span></span>',
        '<span class="MathJax_Preview">x2</span><span class="MathJax">x2</span>'
        '<script type="math/tex">x^2 < 3</script>',
        '<span style="display: none"><math><semantics><mi>x</mi><annotation encoding="application/x-tex">x^2 &lt; 3'
        '</annotation></semantics></math></span><img class="mwe-math-fallback-image-inline" alt="x^2 &lt; 3">',
        '<math><annotation encoding="application/x-tex">x^2 &lt; 3</annotation></math><img class=tex alt="x^2 &lt; 3">',
        '<span class="mwe-math-mathml-inline" style="display: none"><math><annotation encoding="application/x-tex">'
        'x^2 &lt; 3</annotation></math></span><img class="mwe-math-fallback-image-inline" alt="x2&lt;3">',
        '<math alttext="x^2 &lt; 3"><annotation encoding="application/x-tex">x^2 &lt; 3</annotation></math>',
        '<img class=latex alt="$x^2 &lt; 3$">',
    ],
)
def test_a_formula_is_its_tex_source_once(html: str) -> None:
    """Would catch the doubled rendering that MathJax, KaTeX and MediaWiki put beside the source."""
    assert blocks_of(f"<p>if {html}.")[0][0] == "if $x^2 < 3$."


def test_formulas_on_their_own_have_two_dollar_signs() -> None:
    html = '<script type="math/tex; mode=display">a\n b</script>'
    assert blocks_of(html) == [("$$a b$$", "html")]


def test_sources_of_formulas_without_a_class_or_an_annotation() -> None:
    """Would catch TeX that is lost, and prices or descriptions of images taken for it."""
    assert blocks_of(r'<math alttext="\frac{a}{b}"><mi>a</mi><mi>b</mi></math>') == [(r"$\frac{a}{b}$", "html")]
    assert blocks_of(r'<img src="?tex=a" alt="\alpha">') == [(r"$\alpha$", "html")]
    assert blocks_of('a<img alt="$5 {or} less"><math alttext="ab"><mi>c</mi></math>') == [("ac", "html")]
    assert blocks_of(
        "<p>a <mjx-container class='MathJax'><mjx-assistive-mml><math><mi>x</mi></math>"
        "</mjx-assistive-mml></mjx-container>, b"
    ) == [("a x, b", "p")]


def test_marks_of_footnotes_belong_to_their_word() -> None:
    """Would catch the space that parts the links of a menu between a link and its footnote."""
    assert blocks_of("<a href=1>a</a><sup><a href=2>[1]</a></sup><a href=3>b</a>") == [("a[1] b", "html")]


def test_cells_of_tables_with_headers_stay_in_their_columns() -> None:
    """Would catch empty cells that are lost, captions taken for rows, and listings squeezed into a cell."""
    head = "<table><tr><th colspan=3>Caption<tr><th><th>A<th>B"
    assert [text for text, _ in blocks_of(f"{head}<tr><td>1<td>2<td>3<tr><td>4<td><td><tr><td><td><td>5</table>")] == [
        "Caption",
        "| A | B",
        "1 | 2 | 3",
        "4 | |",
        "| | 5",
    ]
    rows = "<tr><td>1<td><pre>a</pre><td>2<tr><td>3<td><pre>b\nc</pre><td>4</table>"
    assert [text for text, _ in blocks_of(head + rows)][2:] == ["1 | a | 2", "3", "b\nc", "4"]


def test_rows_of_data_tables_are_one_block_and_layout_stays_apart() -> None:
    data = "<table><tr><th>A<th>B<tr><td>1<td><p>2<p>3</table>"
    assert [text for text, _ in blocks_of(data)] == ["A | B", "1 | 2 3"]
    layout = f"<table><tr><td>{'menu ' * 60}<td>{data}</table>"
    assert [text for text, _ in blocks_of(layout)][1:] == ["A | B", "1 | 2 3"]
    assert [text for text, _ in blocks_of("<table><tr><td>menu<td>text</table>")] == ["menu", "text"]


def test_noscript_is_read_only_where_there_is_nothing_else() -> None:
    assert blocks_of("<noscript><p>Turn it on</noscript>") == [("Turn it on", "p")]
    assert blocks_of(f"<noscript>Turn it on</noscript><p>{'word ' * 200}")[0][0].startswith("word")


def test_dialogs_are_passed_over() -> None:
    """Would catch cookie banners that are read as text."""
    assert blocks_of("<div role='alertDialog'><p>We use cookies</div><p>a") == [("a", "p")]


def test_visible_text_agrees_with_lexbor(shared: Path) -> None:
    """Would catch any error in implied ends, raw text, comments, references or charsets. Differences that remain:
    unclosed svg or select, whose text lexbor hides; hidden inline elements; `noscript` where there is no other text."""
    lexbor = pytest.importorskip("selectolax.lexbor")
    table = pq.read_table(shared / "extraction/dev.parquet", columns=["html"])
    agreement = []
    for html in table.column("html").to_pylist()[::40]:
        page = decode(html).text
        parsed = lexbor.LexborHTMLParser(page)
        for node in parsed.css(f"{UNREAD},.katex-html,[role*=dialog],{HIDDEN}"):
            node.decompose()
        theirs = words(parsed.body.text(separator=" ") if parsed.body else "")
        ours = words(" ".join(text for text, _ in blocks_of(page)))
        if theirs.total():
            agreement.append(2 * (ours & theirs).total() / max(1, ours.total() + theirs.total()))
    assert sum(agreement) / len(agreement) > 0.985
    assert sorted(agreement)[len(agreement) // 20] > 0.95


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


PIECES = st.sampled_from(
    [
        *(f"<{name}>" for name in NAMES if name),
        *(f"</{name}>" for name in NAMES if name),
        *(
            "<p class='a b-c' id=\"d\" style=display:none>",
            "<td class=lineno>",
            "<td hidden>",
            "<td><td><td>",
            "<td><li>",
            "<!--",
            "-->",
            "<",
            "</",
            "&",
            "&nLt;",
        ),
        *("&#x41;", "&amp", " ", "\n", "text", "\u4f60", "\U0001f600", "'", '"', ">", "\x00", "<br><br>", "$"),
        '<math><annotation encoding="x-tex">a</annotation></math>',
    ]
)


@given(st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=200)))
@settings(max_examples=300, deadline=None)
def test_any_page_gives_blocks_and_elements_that_fit_together(html: str) -> None:
    """Would catch writing past a buffer, lost elements, blocks that overlap, and text that is not UTF-8."""
    tree = parse(html.encode("utf-8", "replace"))
    end = 0
    for number, block in enumerate(tree.blocks):
        assert end <= block[START] < block[END] <= len(tree.text)
        assert 0 <= block[LINK_BYTES] <= block[END] - block[START]
        assert tree.elements[block[ELEMENT], FIRST] <= number < tree.elements[block[ELEMENT], LAST]
        text_of(tree, number)
        end = block[END]
    for number, element in enumerate(tree.elements[1:], 1):
        parent = tree.elements[element[PARENT]]
        assert element[PARENT] < number
        assert parent[FIRST] <= element[FIRST] <= element[LAST] <= parent[LAST]


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 200_000,
        "<a href=x>" * 200_000,
        "&nLt;" * 500_000,
        "<table>" * 50_000,
        "</div>" * 200_000,
        "<svg>" * 100_000,
        "<!--" * 200_000,
        "<p " + "a=b " * 200_000,
        "<script>" * 100_000,
        "<math>" * 50_000 + "<annotation>" * 50_000,
        "x" * 5_000_000,
        "<li>x" * 200_000,
        "<svg>" * 20_000 + "</svg>" * 20_000,
        "<table><th><tr>" + "<td>" * 200_000 + "a<td>b",
        "<pre>" + "1<div>" * 100_000,
        "<img alt='" + "\\\\a" * 500_000,
    ],
    ids=lambda html: html[:12],
)
def test_pages_that_are_built_to_be_slow_are_read(html: str) -> None:
    """Would catch quadratic time: each of these would take minutes."""
    tree = parse(html.encode())
    assert (tree.blocks[:, END] > tree.blocks[:, START]).all()
