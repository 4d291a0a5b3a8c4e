"""A page and its Markdown are judged alike; code and tables are not judged as prose."""

from __future__ import annotations

from html import escape

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rules
from pipeline.extraction.blocks import parse
from pipeline.extraction.text import render

WORDS = st.sampled_from(
    ["the", "pump", "of", "Mary", "don't", "#tag", "3.14", "2024", "中文", "句子。", "{a}", "a|b", "-x"]
)
SENTENCES = st.builds(
    "{}{}".format, st.lists(WORDS, min_size=1, max_size=12).map(" ".join), st.sampled_from("。.…,!\n")
)
LINES = SENTENCES.map(lambda line: escape(line.strip()))
BLOCKS = st.one_of(
    LINES.map("<p>{}</p>".format),
    st.builds("<h{0}>{1}</h{0}>".format, st.integers(1, 6), LINES),
    LINES.map("<blockquote><p>{}</p></blockquote>".format),
    st.builds(
        "<{0}>{1}</{0}>".format, st.sampled_from(["ul", "ol"]), st.lists(LINES.map("<li>{}</li>".format)).map("".join)
    ),
)
PAGES = st.lists(BLOCKS, min_size=1, max_size=20).map("".join)
NOT_ALIKE = {  # what marks add
    "gopher.bullet_lines",
    "repetition.duplicate_paragraphs",
    "repetition.duplicate_paragraph_characters",
}


def texts_of(html: str) -> tuple[str, str]:
    """The Markdown and the plain text of a page, all of it."""
    tree = parse(html.encode())
    chosen = np.ones(len(tree.blocks), np.bool_)
    return render(tree, chosen, True)[0], render(tree, chosen, False)[0]


@settings(max_examples=200, deadline=None)
@given(PAGES, st.sampled_from(["en", "zh"]))
def test_a_page_and_its_markdown_measure_the_same(html: str, language: str) -> None:
    """Catches: a measure that counts marks, blank lines or the numbers of a list as text."""
    markdown, plain = rules.measure([*texts_of(html)], [language] * 2).to_pylist()
    for signal in plain.keys() - NOT_ALIKE:
        assert markdown[signal] == pytest.approx(plain[signal], abs=1e-6), signal


PROSE = (
    "The mill stands where two streams meet below the village. Its wheel was taken down in 1921.\n\n"
    "For a while it was a school, and the children learned to swim in the pond.\n\n"
    "Today it belongs to a family that bakes bread there on Saturdays, and sells it from the window.\n\n"
)
CODE = (
    "```\nwheel = {'teeth': 48}\n- x: '...'\n# turn\nfor tooth in wheel:\n    turn(tooth)\n    turn(tooth)...\n```\n\n"
)
TABLE = "| Year | Bread | Flour |\n| --- | --- | --- |\n| 1919 | 40 | 31 |\n| 1920 | 44 | 31 |\n| 1920 | 44 | ... |\n\n"
OF_PROSE = [
    "fineweb.line_punctuation",
    "fineweb.short_lines",
    "fineweb.line_breaks_per_word",
    "gopher.bullet_lines",
    "gopher.ellipsis_lines",
    "chinese.sentence_lines",
    "chinese.han",
    "pages.symbols",
    "pages.upper_case",
    "repetition.duplicate_lines",
]


@pytest.mark.parametrize("markup", [CODE, TABLE])
def test_code_and_tables_are_not_judged_as_prose(markup: str) -> None:
    """Catches: a page that is dropped for the short lines, bullets or signs of its code and tables."""
    alone, beside = rules.measure([PROSE, PROSE + markup], ["en"] * 2).to_pylist()
    assert {signal: beside[signal] for signal in OF_PROSE} == {signal: alone[signal] for signal in OF_PROSE}


def reasons(text: str, language: str = "en") -> list[str]:
    """All the rules that a text fails."""
    failed = rules.failures(rules.measure([text], [language]), [language], rules.load_thresholds())
    return [name for name, value in failed.to_pylist()[0].items() if value]


SPEECHES = (
    "The river has risen again, and the lower meadow is under water since the morning.",
    "Then we must bring the sheep up before night. Where is Thomas with the dog?",
    "He went to the village to sell the last of the wool, and he will not be back before dark.",
    "So it is for us two to do. Take the lantern, and mind the third plank of the bridge.",
    "I have crossed that bridge a thousand times, and never yet did I wet my feet.",
    "Nor had my brother, until the night when he did. Go slowly, and call out when you are across.",
    "There is a light on the far bank! Somebody is standing there and waves to us.",
    "Nobody lives over there. Put down the lantern, quickly, and come away from the water.",
)


def play(speeches: tuple[str, ...]) -> str:
    names = ("## A meadow by the river", *("MARTHA", "ANNE") * (len(speeches) // 2))
    return "\n\n".join([names[0], *(f"{name}\n\n{speech}" for name, speech in zip(names[1:], speeches, strict=True))])


def test_a_play_is_no_repetition() -> None:
    """Catches: plays and dialogues dropped as the speakers' names repeat, or speeches that repeat passed over."""
    assert rules.measure([play(SPEECHES)], ["en"])["repetition.duplicate_paragraphs"][0].as_py() > 0.3
    assert reasons(play(SPEECHES)) == []
    assert "repetition.duplicate_paragraph_characters" in reasons(play(SPEECHES[:4] * 2))
    assert "repetition.duplicate_line_characters" in reasons(play(SPEECHES[:4] * 2))


def test_a_letter_between_fences_is_judged() -> None:
    """Catches: letters of an archive dropped as only their headers are seen, or kept whatever they hold."""
    head, letter = "# A question\n\nMary\n\nTue Aug 19\n\n", "\n".join(SPEECHES)
    assert reasons(f"{head}```\n{letter}\n```") == reasons(head + letter) == []
    listing = "\n".join(f"{number} Re: the pump in the cellar of the house Mary" for number in range(20))
    assert "fineweb.line_punctuation" in reasons(f"{head}```\n{listing}\n```")


def test_a_page_of_tables_is_not_judged_by_its_captions() -> None:
    """Catches: a glossary in a table dropped as its captions are short lines without a full stop."""
    row = "| {} | {} |\n".format
    terms = [row(speech.split()[1], speech) for speech in SPEECHES]
    assert reasons(f"# Terms\n\nContents\n\n## A\n\n{''.join(terms[:4])}\n## B\n\n{''.join(terms[4:])}") == []


def test_chinese_pages_about_code_are_chinese() -> None:
    """Catches: programming and mathematics dropped as having little Han, and a page in English kept as Chinese."""
    text = (
        "这一节说明怎样安装编译器，并且用它编译第一个程序。\n\n先安装需要的软件包，然后运行下面的命令，等它结束。\n\n"
    )
    text += "如果没有出错，就可以开始写程序了。我们的程序只做一件事，就是把两个数加起来。\n\n"
    code = "```\n" + "".join(f"sum_{number} = add(left[{number}], right[{number}])\n" for number in range(40)) + "```\n"
    formula = "".join(f"$$x_{number} = \\frac{{a_{number}}}{{b_{number}}}$$\n\n" for number in range(40))
    chinese = {"chinese.little_han", "chinese.latin_and_digits", "pages.symbols"}
    assert chinese.isdisjoint(reasons(text + code, "zh") + reasons(text + formula, "zh"))
    assert "chinese.little_han" in reasons(text + "\n\n".join(SPEECHES), "zh")
