"""The table of signals: complete, finite, and the same whatever stands beside a text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import rules

PIECES = [
    "the cat sat.",
    "中文，句子。",
    "a@b.org",
    "+1 212 555 0123",
    "```",
    "|",
    "\n",
    "\n\n",
    "…",
    "👩",
    "\ufffd",
    " ",
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=30).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.sampled_from(["en", "zh", "de", ""])), max_size=5))
def test_a_text_is_measured_alone(batch: list[tuple[str, str]]) -> None:
    """Catches: a kernel that reads or writes over the end of its text, or state left from the text before."""
    texts, languages = [text for text, _ in batch], [language for _, language in batch]
    together = rules.measure(texts, languages)
    alone = [rules.measure([text], [language]) for text, language in batch]
    assert together.equals(pa.concat_tables([together.slice(0, 0), *alone]).combine_chunks())
    for column in together.columns:
        assert column.type == pa.float32()
        assert np.isfinite(column.to_numpy()).all()


def test_every_rule_has_its_signal() -> None:
    """Catches: a rule that names a signal that nobody measures."""
    assert {rule.signal for rule in rules.RULES} <= set(rules.measure([], []).column_names)


def test_an_empty_text_is_an_empty_page() -> None:
    """Catches: NaN, or another rule's name, for a document without text."""
    signals = rules.measure(["", " \n\t\n"], ["en", "zh"])
    assert rules.decide(signals, ["en", "zh"], rules.load_thresholds()).to_pylist() == ["pages.empty"] * 2


def test_sound_text_is_kept() -> None:
    """Catches: a bound on the wrong side, in either language."""
    english = (
        "The lighthouse on the northern cape was built in 1871, when ships that carried timber had to find their way"
        " between the rocks at night. Its keeper climbed 142 steps each evening to light the lamp.\n"
        "Oil was brought by boat twice a year. In winter the sea was often too rough to land, and the families that"
        " lived below the tower had to make do with what they had stored. They kept goats and grew potatoes.\n"
        "Today the light is automatic. Visitors may climb the tower from May to September, if the weather allows it."
    )
    chinese = (
        "北岬的灯塔建于一八七一年，当时运送木材的船只必须在夜间穿过礁石之间的水道。守塔人每天傍晚要登上一百四十二级台阶去点灯。\n"
        "灯油每年由小船运来两次。冬天风浪太大，船常常无法靠岸，住在塔下的几户人家只能依靠事先储存的食物过日子。他们养山羊，也种土豆。\n"
        "如今灯光已经由机器控制。如果天气允许，游客在五月到九月之间可以登塔，从塔顶能够看见整个海湾和远处的岛屿。"
    )
    signals = rules.measure([english, chinese], ["en", "zh"])
    assert rules.decide(signals, ["en", "zh"], rules.load_thresholds()).to_pylist() == [None, None]
