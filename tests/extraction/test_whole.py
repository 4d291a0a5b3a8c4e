"""Tables, listings and formulas beside the choice of blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.extraction.blocks import parse
from pipeline.extraction.columns import ELEMENT_TAG, FIRST, LAST
from pipeline.extraction.elements import NAMES, TAG
from pipeline.extraction.whole import keep_whole

ROWS = "<tr><th>A<th>B<tr><td>1<td>2<tr><td>3<td>4"
BARE = "<table><tr><td>1<td>2<tr><td>3<td>4<tr><td>5<td>6</table>"


def kept(html: str, chosen: str, probabilities: list[float] | None = None) -> str:
    """The choice afterwards; 1 stands for a chosen block, 0 for one that is not."""
    tree = parse(html.encode())
    choice = np.array([letter == "1" for letter in chosen])
    assert len(tree.blocks) == len(choice)
    scores = np.array(probabilities or [0.0] * len(choice), np.float32)
    keep_whole(tree, scores, choice)
    return "".join(map(str, choice.astype(int)))


@pytest.mark.parametrize(
    ("html", "chosen", "whole"),
    [
        (f"a<table>{ROWS}</table>b", "11101", "11111"),
        (f"a<table>{ROWS}</table>b", "10101", "10001"),
        (f"a{BARE}b", "11101", "11111"),
        (f"a{BARE}b", "00101", "00001"),
        ("<table><tr><td>menu<td>text</table>", "01", "01"),
    ],
)
def test_a_table_is_whole_or_left_out(html: str, chosen: str, whole: str) -> None:
    """Would catch tables with holes, a lone row of a table, and layout taken for a table."""
    assert kept(html, chosen) == whole


def test_a_table_with_headers_stays_unless_it_is_unlikely() -> None:
    """Would catch data tables that are lost since their words are few, and menus that are kept."""
    assert kept(f"<table>{ROWS}</table>", "000", [0.1, 0.1, 0.1]) == "111"
    assert kept(f"<table>{ROWS}</table>", "000", [0.05, 0.01, 0.01]) == "000"
    assert kept(BARE, "000", [0.1, 0.1, 0.1]) == "000"


@pytest.mark.parametrize(
    ("html", "chosen", "whole"),
    [
        ("<p>a<pre>b\nc</pre><p>d", "101", "111"),
        ("<p>a<pre>b\nc</pre><p>d", "100", "100"),
        ("<p>a<pre>b</pre><p>d", "101", "101"),
        ("<div><p>a<div><pre>b\nc</pre></div></div><p>d", "100", "110"),
        ("<p>a<p>$$x^2$$<p>$y$,<p>b", "1001", "1111"),
        ("<p>a<p>$5 only<p>b", "101", "101"),
    ],
)
def test_listings_and_formulas_go_with_the_text_around_them(html: str, chosen: str, whole: str) -> None:
    """Would catch code and formulas that are cut out of a text."""
    assert kept(html, chosen) == whole


def test_a_likely_listing_stays_wherever_it_is() -> None:
    assert kept("<p>a<pre>b\nc</pre><p>d", "000", [0.0, 0.3, 0.0]) == "010"


PIECES = st.sampled_from([*(f"<{name}>" for name in NAMES if name), "</table>", "</pre>", "a", "a\nb", "$x$"])


@given(st.lists(PIECES, max_size=60), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_any_page_and_choice(pieces: list[str], seed: int) -> None:
    """Would catch an index out of range, and chosen text that is lost outside tables."""
    tree = parse("".join(pieces).encode())
    random = np.random.default_rng(seed)
    chosen, scores = random.random(len(tree.blocks)) < 0.5, random.random(len(tree.blocks), np.float32)
    before = chosen.copy()
    keep_whole(tree, scores, chosen)
    tables = tree.elements[tree.elements[:, ELEMENT_TAG] == TAG["table"]]
    for block in np.flatnonzero(before & ~chosen):
        assert ((tables[:, FIRST] <= block) & (block < tables[:, LAST])).any()
