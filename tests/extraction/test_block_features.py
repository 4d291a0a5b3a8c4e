"""Features of blocks: what they are made from, on pages small enough to count by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.extraction.blocks import parse
from pipeline.extraction.describe import LEXICON_SIZES, ODDS, Lexicon, Page, describe, empty_lexicon
from pipeline.extraction.features import WIDTH, features
from pipeline.extraction.measures import (
    ALONE,
    COMMAS,
    DIGITS,
    LENGTH,
    LETTERS,
    LINES,
    STOPS,
    TITLE_TOKENS,
    TOKENS,
    UPPER,
)
from pipeline.extraction.words import FAMILIES, family_of, word_hash


def page_of(html: str, url: str = "") -> Page:
    source = html.encode("utf-8", "replace")
    return describe(source, parse(source, url))


def test_measures_count_words_characters_and_marks() -> None:
    page = page_of("<title>Der Fluß 你</title><p>Hello, World 42! 你好。 Fluß, Ёж<br>a_b")
    row = page.measures[0]
    found = {
        column: float(row[column]) for column in (TOKENS, ALONE, UPPER, DIGITS, COMMAS, STOPS, LINES, TITLE_TOKENS)
    }
    assert found == {TOKENS: 8, ALONE: 2, UPPER: 4, DIGITS: 2, COMMAS: 2, STOPS: 2, LINES: 1, TITLE_TOKENS: 2}
    assert row[LENGTH] == row[LETTERS] + 5


def test_repeated_blocks_are_counted_and_put_in_order() -> None:
    page = page_of("<p>Read more<p>text<p>Read more (12)<p>Read more")
    assert page.repeats.tolist() == [3, 1, 3, 3]
    assert page.earlier.tolist() == [0, 0, 1, 2]


def test_blocks_of_the_same_tag_and_class_are_one_group() -> None:
    page = page_of("<div><p class=post-1>a<p class=post-2>b<p class=note>c</div>")
    assert page.groups[0] == page.groups[1] != page.groups[2]


def test_words_of_classes_belong_to_families() -> None:
    assert family_of(np.uint32(word_hash("comments"))) & 1
    for number, words in enumerate(FAMILIES):
        assert all(family_of(np.uint32(word_hash(word))) >> number & 1 for word in words.split())
    assert family_of(np.uint32(word_hash("xyzzy"))) == 0


def test_the_lexicon_is_asked_for_the_words_of_class_and_url() -> None:
    """Would catch words that are split or hashed in another way than the model was trained with."""
    lexicon = empty_lexicon()
    lexicon.words[word_hash("comment") & (len(lexicon.words) - 1)] = round(-2 / ODDS)
    page = page_of("<div class='commentList'><p>a</div><div id=user_comment-12>b</div><div class=comments>c</div>")
    features(page, lexicon)
    assert page.hints[1:, 0].tolist() == [-2, 0, -2, 0]
    page = page_of("<p>a", "https://example.org/comment/3")
    features(page, lexicon)
    assert page.hints[0, 0] == -2


def test_containers_reach_from_the_inside_out() -> None:
    page = page_of("<div>a<div><p>b<p>c</div></div><p>d")
    spans = features(page, empty_lexicon()).spans
    assert spans[1].tolist() == [[1, 3], [0, 3], [0, 4], [0, 4]]
    assert spans[3].tolist() == [[0, 4]] * 4


@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(["<p>", "<div", "class=x>", "</div>", "a", "你", ".", "<a", "href=x>", "</a>", "<h1>"])
    ).map("".join)
)
@settings(max_examples=200, deadline=None)
def test_features_of_any_page_are_finite_and_repeatable(html: str) -> None:
    """Would catch 0/0 of empty windows, and features that are read from memory that nobody wrote."""
    lexicon = Lexicon(*(np.linspace(-99, 99, size).astype(np.int8) for size in LEXICON_SIZES))
    found = features(page_of(html), lexicon)
    rows, again = found.rows(), features(page_of(html), lexicon).rows()
    assert rows.shape == (len(found.spans), WIDTH)
    assert np.isfinite(rows).all()
    assert np.array_equal(rows, again)
