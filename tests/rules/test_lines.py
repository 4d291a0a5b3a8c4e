"""How lines are read through the marks of Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.lines import BULLET, MARKUP, NEW_PARAGRAPH, without_marks
from rules.segment import segment


def read(text: str) -> list[tuple[str, int]]:
    """The lines of a text as the rules read them, each with its flags BULLET, MARKUP and NEW_PARAGRAPH."""
    lines = segment([text]).lines
    flags = (lines.flags & (BULLET | MARKUP | NEW_PARAGRAPH)).tolist()
    return [(text[start:end], flag) for start, end, flag in zip(lines.start, lines.end, flags, strict=True)]


@pytest.mark.parametrize(
    ("text", "line", "flag"),
    [
        ("# Title #1", "Title #1", 0),
        ("###### a", "a", 0),
        ("####### a", "####### a", 0),
        ("#tag", "#tag", 0),
        ("  - a - b", "a - b", BULLET),
        ("-a", "-a", BULLET),
        ("• a", "• a", BULLET),
        ("12. a", "a", 0),
        ("3.14 a", "3.14 a", 0),
        ("1.a", "1.a", 0),
        ("1234567890. a", "1234567890. a", 0),
        ("> > a > b", "a > b", 0),
        (">> - 1. a", "a", BULLET),
        (">a", ">a", 0),
        ("> ## a", "a", 0),
        ("| a | b |", "a | b", MARKUP),
        ("a | b", "a | b", 0),
        ("- $x$", "$x$", BULLET | MARKUP),
        ("$5 and $6", "$5 and $6", 0),
        ("-", "-", BULLET),
        ("1.", "1.", 0),
    ],
)
def test_marks(text: str, line: str, flag: int) -> None:
    """Catches: a mark read as text, and text that only looks like a mark."""
    assert read(text) == [(line, flag | NEW_PARAGRAPH)]


@pytest.mark.parametrize("text", ["", " \n ", ">", "| --- | :-: |", "|||", "```", "~~~ python\n~~~", "> >>"])
def test_marks_alone_are_no_lines(text: str) -> None:
    """Catches: the rule of a table or a fence counted as a line without a full stop."""
    assert read(text) == []


def test_what_parts_paragraphs() -> None:
    """Catches: a table parted by its rule, and quoted paragraphs that run into one."""
    assert [line for line, flag in read("| a |\n| --- |\n| b |\n\n> c\n> d\n>\n> e") if flag & NEW_PARAGRAPH] == [
        "a",
        "c",
        "e",
    ]


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("Prose.\n```python\nx = {}\n\nif x:\n```\nProse.", [0, 1, 1, 0]),
        ("````\n```\nx = 1\n````\nProse.", [1, 1, 0]),
        ("~~~\n```\n~~~\nProse.", [1, 0]),
        ("```\n- x\n| y |", [1, 1]),
        ("~~~ A title ~~~\nProse.", [0, 0]),
        ("```code``` in a line.\nProse.", [0, 0]),
    ],
)
def test_code_is_marked(text: str, markup: list[int]) -> None:
    """Catches: prose behind a fence taken for code, code judged as prose, a longer fence closed by a shorter one."""
    assert [int(flag & MARKUP > 0) for _, flag in read(text)] == markup


LETTER = (
    "On Tuesday Mary wrote:\n\n> The pump stops when the cellar floods,\n> and nobody knows why.\n\n"
    "Have you looked at the float? Ours was stuck for\nweeks, and we only found it when we emptied the tank."
)
POEM = "床前明月光，疑是地上霜。举头望明月，低头思故乡。\n春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
SHELL = "$ sudo apt-get install -y build-essential\n$ ./configure --prefix=/usr/local && make -j4\n$ sudo make install"
JAVA = (
    "public class LoginFilter implements HandlerFilter {\n    // 检查用户是否已经登录\n"
    "    public boolean accept(HttpRequest request) {\n        return request.getSession() != null;\n    }\n}"
)


@pytest.mark.parametrize(("verbatim", "code"), [(LETTER, False), (POEM, False), (SHELL, True), (JAVA, True)])
def test_prose_between_fences_is_prose(verbatim: str, code: bool) -> None:
    """Catches: letters of an archive of which only the headers are judged, and code read as prose."""
    fenced = read(f"Before.\n\n```\n{verbatim}\n```\n\nAfter.")
    assert any(flag & MARKUP for _, flag in fenced) == code
    if not code:
        assert fenced == read(f"Before.\n\n{verbatim}\n\nAfter.")


PIECES = ["#", "##", "-", "•", ">", ">>", "1.", "12.", "|", "---", ":", "```", "~~~", "$", " ", "  ", "a", "7", "中"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_site_rules_read_lines_as_all_rules_do(line: str) -> None:
    """Catches: a mark that the kernel reads and ``without_marks`` does not, or the other way round."""
    plain = without_marks(line)
    found = [text for text, _ in read(line)]
    is_row = len(plain) > 1 and plain[0] == plain[-1] == "|"
    assert found == ([plain.strip("| ")] if is_row else [plain] if plain else [])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, "\n", "\n\n", "the cat sat"]), max_size=40).map("".join))
def test_every_word_is_in_one_line(text: str) -> None:
    """Catches: an ordinal that is a word but in no line, and lines that overlap."""
    segments = segment([text])
    lines, words = segments.lines, segments.words
    assert (lines.start < lines.end).all() and (lines.end[:-1] < lines.start[1:]).all()
    assert lines.words.sum() == len(words.start)
