"""The text of chosen blocks: what its marks are, and that nothing but them is added."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.extraction.blocks import parse
from pipeline.extraction.text import render


def text_of(html: str, markdown: bool = True) -> str:
    tree = parse(html.encode())
    return render(tree, np.ones(len(tree.blocks), np.bool_), markdown)[0]


@pytest.mark.parametrize(
    ("html", "markdown", "plain"),
    [
        ("<h1>A</h1><h3><a>B</a></h3><p>c<br>d", "# A\n\n### B\n\nc\nd", "A\nB\nc\nd"),
        (
            "<ul><li>a<p>b</p><li>c<ol><li>d<li>e</ol><li>f</ul>",
            "- a\n\n  b\n- c\n  1. d\n  2. e\n- f",
            "a\nb\nc\nd\ne\nf",
        ),
        ("<blockquote><p>a</p><ul><li>b</ul></blockquote>c", "> a\n\n> - b\n\nc", "a\nb\nc"),
        ("<blockquote>a<br>b</blockquote><h2>c<br>d</h2>", "> a\n> b\n\n## c d", "a\nb\nc\nd"),
        (
            "<ol><li>a<br>b<ul><li>c</ul><p>d<li><blockquote>e</blockquote></ol>",
            "1. a\n   b\n   - c\n\n   d\n2. > e",
            "a\nb\nc\nd\ne",
        ),
        ("<h2>a</h2><h3>a</h3><p>a</p><h3>a</h3>", "## a\n\na\n\n### a", "a\na\na"),
        ("<ul><li><blockquote class='postcontent restore'>a</blockquote></ul>", "- a", "a"),
        (
            "<table><tr><th colspan=2>A<tr><th>B<td>1<tr><th colspan=2>C<tr><th>D<td>2<tr><th>E<td></table>",
            "A\n\n| B | 1 |\n| --- | --- |\n| C |\n| D | 2 |\n| E | |",
            "A\nB | 1\nC\nD | 2\nE |",
        ),
        (
            "<table><tr><th>A<th>B<tr><td>1<br>2<td>3</table><table><tr><th>C<th>D<tr><td>4<td>5</table>",
            "| A | B |\n| --- | --- |\n| 1 2 | 3 |\n\n| C | D |\n| --- | --- |\n| 4 | 5 |",
            "A | B\n1 2 | 3\nC | D\n4 | 5",
        ),
        ("<pre>\n  if a:\n\n    b</pre>c", "```\n  if a:\n\n    b\n```\n\nc", "  if a:\n\n    b\nc"),
        ("<pre>a ```` b</pre>", "`````\na ```` b\n`````", "a ```` b"),
        ("<ol>" + "<li>x" * 12 + "</ol>", "\n".join(f"{n}. x" for n in range(1, 13)), "\n".join("x" * 12)),
    ],
)
def test_structure_is_marked_lightly(html: str, markdown: str, plain: str) -> None:
    assert (text_of(html), text_of(html, False)) == (markdown, plain)


def test_only_the_chosen_blocks_are_there_in_their_order() -> None:
    tree = parse(b"<ul><li><b>a</b><p>b<li>c</ul><p>d")
    assert render(tree, np.array([False, True, True, False]))[0] == "- b\n- c"
    assert render(tree, np.zeros(4, np.bool_))[0] == ""


PIECES = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<ul>",
        "</ul>",
        "<ol>",
        "<li>",
        "<table>",
        "<tr>",
        "<th>",
        "<td>",
        "</table>",
        "<pre>",
        "</pre>",
        "<h2>",
        "</h2>",
        "<blockquote>",
        "|",
        "`",
        "#",
        "$",
        "word",
        "你好",
        "<br>",
        "<dl>",
        "<dt>",
        "&nbsp;",
        "```",
        "</td>",
        "<div>",
        "</div>",
    ]
)


@given(st.lists(PIECES, max_size=40))
@settings(max_examples=300, deadline=None)
def test_marks_add_no_words(pieces: list[str]) -> None:
    """Would catch a mark that counts as text, text lost between blocks, and writing past the buffer."""
    html = " ".join(pieces)
    words = re.findall(r"\w+", text_of(html, False))
    assert words == re.findall(r"word|你好", " ".join(words))
    assert [word for word in re.findall(r"\w+", text_of(html)) if not word.isdigit()] == words
