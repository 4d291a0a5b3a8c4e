"""Thresholds by language, their overrides, and the decision."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rules
from pipeline.errors import UserError
from rules.decide import LANGUAGES

SIGNALS = sorted({rule.signal for rule in rules.RULES})
VALUES = st.floats(0, 200, width=32)


def table(rows: int, **values: float) -> pa.Table:
    """Signals that no rule objects to, but for those given."""
    sound = {"gopher.words": 500, "pages.characters": 3000, "gopher.mean_word_length": 5, "gopher.alphabetic_words": 1}
    sound |= {"gopher.stop_words": 8, "c4.sentences": 20, "fineweb.line_punctuation": 1, "chinese.han": 0.8}
    sound |= {"chinese.punctuation": 0.1, "chinese.distinct_han": 0.4, "chinese.sentence_lines": 1}
    values = {signal.replace("__", "."): value for signal, value in values.items()}
    merged = {**dict.fromkeys(SIGNALS, 0.0), **sound, **values}
    return pa.table({signal: pa.array([value] * rows, pa.float32()) for signal, value in merged.items()})


def decided(signals: pa.Table, language: str = "en", overrides: dict | None = None) -> str | None:
    return rules.decide(signals, [language], rules.load_thresholds(overrides))[0].as_py()


@given(st.lists(st.lists(VALUES, min_size=len(SIGNALS), max_size=len(SIGNALS)), max_size=5), st.data())
def test_the_reason_is_the_first_failed_rule(rows: list[list[float]], data: st.DataObject) -> None:
    """Catches: another order of reasons, a bound of another language, a vectorised comparison the wrong way round."""
    languages = data.draw(st.lists(st.sampled_from(["en", "zh", "de", None]), min_size=len(rows), max_size=len(rows)))
    values = np.array(rows, np.float32).reshape(len(rows), len(SIGNALS))
    signals = pa.table({name: values[:, column] for column, name in enumerate(SIGNALS)})
    thresholds = rules.load_thresholds()
    reasons = rules.decide(signals, languages, thresholds).to_pylist()
    failed = rules.failures(signals, pa.array(languages, pa.string()), thresholds).to_pylist()
    for row, language in enumerate(languages):
        bounds = thresholds.of(language)
        expected = []
        for rule in rules.RULES:
            value, bound = signals[rule.signal][row].as_py(), bounds[rule.name]
            if bound is not None and (
                value < np.float32(bound) if rule.bound == "minimum" else value > np.float32(bound)
            ):
                expected.append(rule.name)
        assert reasons[row] == (expected[0] if expected else None)
        assert [name for name, value in failed[row].items() if value] == expected


def test_a_value_on_the_bound_passes() -> None:
    """Catches: float32 signals compared with float64 bounds, where 0.3 is above 0.3."""
    assert decided(table(1, gopher__ellipsis_lines=0.3)) is None
    assert decided(table(1, gopher__ellipsis_lines=0.31)) == "gopher.ellipsis_lines"
    assert decided(table(1, gopher__words=50)) is None
    assert decided(table(1, gopher__words=49)) == "gopher.too_few_words"


def test_precedence() -> None:
    """Catches: an override of "default" that beats a language's own bound, or does not reach the others."""
    short = table(1, gopher__words=30)
    overrides = {"default": {"gopher.too_few_words": 20}}
    assert decided(short, "de") == decided(short, "en") == decided(short, "zh") == "gopher.too_few_words"
    assert decided(short, "de", overrides) is decided(short, "en", overrides) is None
    assert decided(short, "zh", overrides) == "gopher.too_few_words"  # zh.yaml has a bound of its own
    assert decided(short, "fr", {"fr": {"gopher.too_few_words": 20}}) is None
    assert decided(short, "zh", {"zh": {"gopher.too_few_words": None}}) is None


def test_chinese_rules_are_off_elsewhere() -> None:
    """Catches: an English page dropped because it has no Han characters."""
    signals = table(1, chinese__han=0.0, chinese__distinct_han=0.0)
    assert decided(signals, "en") is decided(signals, "") is None
    assert decided(signals, "zh") == "chinese.little_han"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"en": {"gopher.to_few_words": 3}}, "gopher.too_few_words"),
        ({"en": {"few_words": 3}}, "gopher.too_few_words"),
        ({"zhh": {"gopher.too_few_words": 3}}, "zh"),
        ({"defualt": {}}, "default"),
        ({"en": {"gopher.too_few_words": "many"}}, "number"),
        ({"en": {"gopher.too_few_words": True}}, "number"),
        ({"en": {"gopher.too_few_words": float("nan")}}, "number"),
    ],
)
def test_mistakes_are_named(overrides: dict, message: str) -> None:
    """Catches: a misspelt rule that is silently ignored."""
    with pytest.raises(UserError, match=message):
        rules.load_thresholds(overrides)


def test_signals_of_another_version() -> None:
    """Catches: a KeyError where stored signals lack a column."""
    with pytest.raises(UserError, match=r"gopher\.words.*measure again"):
        rules.decide(table(1).drop_columns(["gopher.words"]), ["en"], rules.load_thresholds())


def test_every_rule_has_a_default_bound() -> None:
    """Catches: a rule that nobody gave a bound, and so never drops anything."""
    assert set(rules.load_thresholds().of("xx")) == {rule.name for rule in rules.RULES}
    assert len(LANGUAGES) == 176
