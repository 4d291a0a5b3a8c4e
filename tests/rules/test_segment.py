"""Words, lines and paragraphs against plain Python on any Unicode text; how marks are read stands in test_lines.py."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import characters
from rules.lines import ENDS_ELLIPSIS, ENDS_SENTENCE, MARKUP, REPEATED, without_marks
from rules.segment import Segments, segment

PIECES = [
    "the",
    "Don't",
    "3.14",
    "1,000",
    "l’été",
    "é",
    "中文",
    "，",
    "。",
    "。”",
    "か",
    "ไทย",
    "👩‍👩‍👧",
    "...",
    "…",
    ".",
    "?!",
    '."',
    "#",
    "# ",
    "{",
    "$",
    "- ",
    "> ",
    "1. ",
    "•",
    " ",
    "\u3000",
    "\n",
    "\n\n",
    "\ufffd",
    "\x00",
    "\u00ad",
]
TEXTS = (
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=40)
    .map("".join)
    .map(lambda text: re.sub("[|~`]", "", text))  # no fences and tables
)


def kind_letters(text: str) -> str:
    """A letter for each character's kind, so that regular expressions can speak of kinds; dots and commas stay."""
    kinds = characters.kinds()[characters.codes(text)]
    return "".join(sign if sign in ".," else chr(65 + kind) for sign, kind in zip(text, kinds, strict=True))


WORD = re.compile(r"[EFG]I*|[BCDH](?:[BCDHI]|(?<=H)[.,](?=H)|(?<=[BCDI])N(?=[BCD]))*")


def words_of(text: str) -> list[str]:
    return [text[match.start() : match.end()] for match in WORD.finditer(kind_letters(text))]


def lines_of(text: str) -> list[str]:
    spaces = "".join(map(chr, np.flatnonzero(characters.kinds() == characters.SPACE)))
    return [line for line in (without_marks(line.strip(spaces)) for line in text.split("\n")) if line]


def sentences_of(line: str) -> int:
    kinds = kind_letters(line).replace(".", "L").replace(",", "Q")
    count = 1
    for match in re.finditer(r"[LM][LMNO]*", kinds):
        follows = kinds[match.end() : match.end() + 1]
        count += bool(follows) and ("M" in match[0] or follows == "J")
    return count


def found_words(segments: Segments, texts: list[str], index: int) -> list[str]:
    words, whole = segments.words, "".join(texts)
    rows = range(words.first[index], words.first[index + 1])
    return [whole[words.start[row] : words.end[row]] for row in rows]


def found_lines(segments: Segments, texts: list[str], index: int) -> list[str]:
    lines, whole = segments.lines, "".join(texts)
    rows = range(lines.first[index], lines.first[index + 1])
    return [whole[lines.start[row] : lines.end[row]] for row in rows]


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_words_and_lines_agree_with_plain_python(texts: list[str]) -> None:
    """Catches: words that run over the end of a text, and marks, apostrophes or scripts that split wrongly."""
    segments = segment(texts)
    assert segments.texts == len(texts)
    for index, text in enumerate(texts):
        assert found_words(segments, texts, index) == words_of("\n".join(lines_of(text)))
        assert found_lines(segments, texts, index) == lines_of(text)
    rows = [(text, line) for text in texts for line in lines_of(text)]
    lines = segments.lines
    assert lines.words.tolist() == [len(words_of(line)) for _, line in rows]
    assert lines.sentences.tolist() == [sentences_of(line) for _, line in rows]
    assert lines.curly.tolist() == [line.count("{") for _, line in rows]
    assert lines.ellipses.tolist() == [line.count("...") + line.count("…") for _, line in rows]
    assert lines.has(ENDS_ELLIPSIS).tolist() == [line.endswith(("...", "…")) for _, line in rows]
    assert lines.has(ENDS_SENTENCE).tolist() == [
        bool(re.search("[LM][LMNO]*$", kind_letters(line).replace(".", "L"))) for _, line in rows
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_repeated_lines_and_paragraphs(texts: list[str]) -> None:
    """Catches: a repeat found across texts, in code, or lost in the hash table."""
    segments = segment(texts)
    lines, paragraphs = segments.lines, segments.paragraphs
    whole = "".join(texts)
    for index in range(len(texts)):
        seen: set[str] = set()
        for row in range(lines.first[index], lines.first[index + 1]):
            line = whole[lines.start[row] : lines.end[row]]
            is_markup = bool(lines.flags[row] & MARKUP)
            assert bool(lines.flags[row] & REPEATED) == (line in seen and not is_markup)
            seen |= set() if is_markup else {line}
        blocks = set()
        for row in range(paragraphs.first[index], paragraphs.first[index + 1]):
            block = tuple(lines_of(whole[paragraphs.start[row] : paragraphs.end[row]]))
            assert paragraphs.repeated[row] == (block in blocks)
            blocks.add(block)


def test_words_by_example() -> None:
    """Catches: a change of the definition that the oracle above would follow."""
    text = "Don't pay 3,000.50 for l’été; e\u0301t\u00ade—中文的Word2 かな 한국어 ไทย, 'quoted' end."
    expected = ["Don't", "pay", "3,000.50", "for", "l’été", "e\u0301t\u00ade", "中", "文", "的", "Word2", "か", "な"]
    expected += ["한국어", *"ไทย", "quoted", "end"]
    assert found_words(segment([text]), [text], 0) == expected


def test_paragraphs_are_split_at_blank_lines() -> None:
    """Catches: a blank line of spaces that joins two paragraphs."""
    assert np.diff(segment(["a\nb\n \nc\n\n\nd", "", "\n\n"]).paragraphs.first).tolist() == [3, 0, 0]


def test_kinds_cover_the_planes() -> None:
    """Catches: a table that stops before the code points beyond the Basic Multilingual Plane."""
    expected = {
        "A": characters.LATIN_UPPER,
        "ß": characters.LATIN_LOWER,
        "Ж": characters.LETTER,
        "한": characters.LETTER,
    }
    expected |= {"の": characters.UNSPACED, "漢": characters.HAN, "𠀀": characters.HAN, "鍙": characters.GARBLED}
    expected |= {
        "٣": characters.DIGIT,
        "\u0301": characters.MARK,
        "\u200d": characters.MARK,
        "\u00a0": characters.SPACE,
    }
    expected |= {"\ufffd": characters.BROKEN, "\ue000": characters.BROKEN, "\x07": characters.BROKEN}
    expected |= {"😀": characters.SYMBOL, "、": characters.SEPARATOR, "」": characters.CLOSING}
    assert {sign: int(characters.kinds()[ord(sign)]) for sign in expected} == expected
