"""The families of rules against datatrove's filters, which get our words (theirs need another package's tokenizer).

Plain text is meant, a paragraph a line as the papers have it: for datatrove marks of Markdown are text.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rules
from rules import repetition
from rules.segment import segment

filters = pytest.importorskip("datatrove.pipeline.filters", reason="datatrove is the oracle of this test")
from datatrove.data import Document  # noqa: E402
from datatrove.pipeline.filters import (  # noqa: E402
    c4_filters,
    fineweb_quality_filter,
    gopher_quality_filter,
    gopher_repetition_filter,
)

TOKENS = ["the", "of", "that", "cat", "cats", "don't", "a", "I", "unbelievable", "1,000", "2024", "well-known", "#tag"]
LINES = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=12).map(" ".join)
ENDS = st.sampled_from(["", ".", "!", "...", "…", ","])
STARTS = st.sampled_from(["", "", "", "-", "• "])
TEXTS = st.lists(st.builds("{}{}{}".format, STARTS, LINES, ENDS), min_size=1, max_size=30).map("\n".join)

PUBLISHED = {"fineweb.duplicate_characters": 0.01, "gopher.short_words": 3.0, "gopher.stop_words": 2.0}
PUBLISHED |= {"repetition.duplicate_lines": 0.3, "repetition.duplicate_paragraphs": 0.3}
# In "-word" and "well-known" datatrove's tokens of punctuation would count as words; ours are words only.


def our_words(text: str, language: str = "en") -> list[str]:
    words = segment([text]).words
    return [text[start:end] for start, end in zip(words.start, words.end, strict=True)]


@pytest.fixture(autouse=True)
def same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gopher_quality_filter, gopher_repetition_filter, fineweb_quality_filter):
        monkeypatch.setattr(module, "split_into_words", our_words)
    monkeypatch.setattr(c4_filters, "split_into_sentences", lambda line, _: re.findall(r"[^.!]+[.!]*", line))


def failed(text: str, family: str) -> list[str]:
    """The rules of a family that an English text fails at the published bounds."""
    table = rules.failures(rules.measure([text], ["en"]), ["en"], rules.load_thresholds({"en": PUBLISHED}))
    return [name for name, value in table.to_pylist()[0].items() if value and name.startswith(family + ".")]


def reason(result: bool | tuple[bool, str]) -> str | None:
    return None if result is True else result[1]  # type: ignore[index]


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_n_grams(text: str) -> None:
    """Catches: a wrong character count, a wrong choice among equally frequent n-grams, a repeat counted twice."""
    signals = rules.measure([text], ["en"]).to_pylist()[0]
    words = our_words(text)
    for n in repetition.TOP:
        grams = gopher_repetition_filter.get_n_grams(words, n)
        expected = gopher_repetition_filter.find_top_duplicate(grams) / len(text) if grams else 0
        assert signals[f"repetition.top_{n}_gram"] == pytest.approx(expected)
    for n in repetition.DUPLICATED:
        expected = gopher_repetition_filter.find_all_duplicate(words, n) / len(text)
        assert signals[f"repetition.duplicate_{n}_grams"] == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_repeated_lines_and_paragraphs(text: str) -> None:
    """Catches: duplicates counted with their first occurrence, or over other denominators.

    datatrove counts the characters of blank lines too: the same where there is none.
    """
    text = text.replace("\n-", "\n\n")  # some paragraphs
    length = len(re.sub(r"\n+", "\n", text.strip()))
    signals = rules.measure([text], ["en"]).to_pylist()[0]
    for unit, separator in (("line", r"\n+"), ("paragraph", r"\n{2,}")):
        parts = [part.strip() for part in re.split(separator, text.strip())]
        count, size = gopher_repetition_filter.find_duplicates(parts)
        assert signals[f"repetition.duplicate_{unit}s"] == pytest.approx(count / len(parts))
        assert signals[f"repetition.duplicate_{unit}_characters"] == pytest.approx(size / length)


REPETITION = {
    "dup_para_frac": "duplicate_paragraphs",
    "dup_para_char_frac": "duplicate_paragraph_characters",
    "dup_line_frac": "duplicate_lines",
    "dup_line_char_frac": "duplicate_line_characters",
    **{f"top_{n}_gram": f"top_{n}_gram" for n in repetition.TOP},
    **{f"duplicated_{n}_n_grams": f"duplicate_{n}_grams" for n in repetition.DUPLICATED},
}


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_gopher_repetition(text: str) -> None:
    """Catches: a default bound that is not Gopher's."""
    theirs = reason(gopher_repetition_filter.GopherRepetitionFilter().filter(Document(text=text, id="")))
    ours = failed(text, "repetition")
    assert f"repetition.{REPETITION[theirs]}" in ours if theirs else ours == []


GOPHER = {
    "gopher_short_doc": "too_few_words",
    "gopher_long_doc": "too_many_words",
    "gopher_below_avg_threshold": "short_words",
    "gopher_above_avg_threshold": "long_words",
    "gopher_too_many_hashes": "hash_signs",
    "gopher_too_many_ellipsis": "ellipses",
    "gopher_too_many_bullets": "bullet_lines",
    "gopher_too_many_end_ellipsis": "ellipsis_lines",
    "gopher_below_alpha_threshold": "alphabetic_words",
    "gopher_enough_stop_words": "stop_words",
}


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.booleans())
def test_gopher_quality(text: str, long: bool) -> None:
    """Catches: a default bound or a ratio that is not Gopher's."""
    text = "\n".join([text] * 5) if long else text
    text = re.sub("^-", "- ", text, flags=re.MULTILINE)  # a list's mark is no word, but it is a bullet
    theirs = reason(gopher_quality_filter.GopherQualityFilter().filter(Document(text=text, id="")))
    ours = failed(text, "gopher")
    assert f"gopher.{GOPHER[theirs]}" in ours if theirs else ours == []


FINEWEB = {
    "line_punct_ratio": "line_punctuation",
    "short_line_ratio": "short_lines",
    "char_dup_ratio": "duplicate_characters",
    "list_ratio": "line_breaks",
}


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_fineweb(text: str) -> None:
    """Catches: a line of exactly thirty characters on the wrong side, or line breaks counted as lines.

    datatrove divides all newlines by words and we the breaks between lines: the same where no line is blank.
    """
    theirs = reason(fineweb_quality_filter.FineWebQualityFilter().filter(Document(text=text, id="")))
    ours = failed(text, "fineweb")
    assert f"fineweb.{FINEWEB[theirs]}" in ours if theirs else ours == []


C4_LINES = st.lists(
    st.sampled_from(
        [
            "the cat sat",
            "she read on",
            "no javascript here",
            "our privacy policy says",
            "lorem ipsum dolor",
            "a {b} c",
            "two words",
            "word",
        ]
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(C4_LINES.map(lambda parts: ". ".join(parts) + "."), min_size=1, max_size=6).map("\n".join))
def test_c4(text: str) -> None:
    """Catches: sentences counted in lines that C4 takes out."""
    judge = c4_filters.C4QualityFilter(
        filter_no_terminal_punct=False, filter_curly_bracket=False, filter_lorem_ipsum=False
    )
    signals = rules.measure([text], ["en"]).to_pylist()[0]
    assert (reason(judge.filter(Document(text=text, id=""))) is None) == (signals["c4.sentences"] >= 5)
    assert (signals["c4.lorem_ipsum"] > 0) == ("lorem ipsum" in text)
    assert (signals["c4.curly_brackets"] > 0) == ("{" in text)


def test_chinese_n_grams_have_no_spaces() -> None:
    """Catches: the space that joins English words counted between Chinese characters."""
    text = "天天天天" * 10
    signals: pa.Table = rules.measure([text], ["zh"])
    assert signals["repetition.top_2_gram"][0].as_py() == pytest.approx(39 * 2 / 40)
    assert signals["repetition.duplicate_5_grams"][0].as_py() == pytest.approx(35 / 40)
