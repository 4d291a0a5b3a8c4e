"""From signals to verdicts: the rules, their thresholds by language, and the decision.

A rule compares one signal with one bound. Which bound is a matter of the language: thresholds/default.yaml holds those
of all languages, thresholds/<language>.yaml what differs there, and a run's config may override both. A document is
dropped by the first rule, in the order of ``RULES``, that it fails; that rule's name is the reason.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from pipeline.errors import UserError

_FOLDER = Path(__file__).with_name("thresholds")
DEFAULT = "default"

# The languages that fastText's lid.176 tells apart.
_CODES = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de"
    " diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo"
    " io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms"
    " mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn"
    " sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf"
    " yi yo yue zh"
)
LANGUAGES = frozenset(_CODES.split())


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a document fails it when the signal is below the minimum, or above the maximum."""

    name: str  # the reason of a document that it drops
    signal: str
    bound: Literal["minimum", "maximum"]


# The order is the order of reasons: what says most about a page comes first.
RULES = (
    Rule("pages.empty", "pages.characters", "minimum"),
    Rule("pages.error_title", "pages.error_title", "maximum"),
    Rule("pages.spam_title", "pages.spam_title", "maximum"),
    Rule("pages.title_separators", "pages.title_separators", "maximum"),
    Rule("pages.action_url", "pages.action_url", "maximum"),
    Rule("pages.broken_characters", "pages.broken_characters", "maximum"),
    Rule("pages.diff", "pages.diff_lines", "maximum"),
    Rule("c4.lorem_ipsum", "c4.lorem_ipsum", "maximum"),
    Rule("pages.registration_prompts", "pages.registration_prompts", "maximum"),
    Rule("pages.advertisements", "pages.advertisements", "maximum"),
    Rule("pages.teasers", "pages.teasers", "maximum"),
    Rule("c4.javascript", "c4.javascript_lines", "maximum"),
    Rule("c4.policy", "c4.policy_lines", "maximum"),
    Rule("c4.curly_brackets", "c4.curly_brackets", "maximum"),
    Rule("gopher.too_few_words", "gopher.words", "minimum"),
    Rule("gopher.too_many_words", "gopher.words", "maximum"),
    Rule("gopher.short_words", "gopher.mean_word_length", "minimum"),
    Rule("gopher.long_words", "gopher.mean_word_length", "maximum"),
    Rule("gopher.hash_signs", "gopher.hash_ratio", "maximum"),
    Rule("gopher.ellipses", "gopher.ellipsis_ratio", "maximum"),
    Rule("gopher.bullet_lines", "gopher.bullet_lines", "maximum"),
    Rule("gopher.ellipsis_lines", "gopher.ellipsis_lines", "maximum"),
    Rule("gopher.alphabetic_words", "gopher.alphabetic_words", "minimum"),
    Rule("gopher.stop_words", "gopher.stop_words", "minimum"),
    Rule("chinese.little_han", "chinese.han", "minimum"),
    Rule("chinese.latin_and_digits", "chinese.latin_and_digits", "maximum"),
    Rule("chinese.keywords", "chinese.separators", "maximum"),
    Rule("chinese.no_punctuation", "chinese.punctuation", "minimum"),
    Rule("chinese.too_much_punctuation", "chinese.punctuation", "maximum"),
    Rule("chinese.few_distinct_characters", "chinese.distinct_han", "minimum"),
    Rule("chinese.unfinished_lines", "chinese.sentence_lines", "minimum"),
    Rule("pages.list", "pages.list_entries", "maximum"),
    Rule("pages.long_line", "pages.longest_line", "maximum"),
    Rule("pages.long_words", "pages.long_words", "maximum"),
    Rule("pages.digits", "pages.digits", "maximum"),
    Rule("pages.symbols", "pages.symbols", "maximum"),
    Rule("pages.upper_case", "pages.upper_case", "maximum"),
    Rule("repetition.duplicate_lines", "repetition.duplicate_lines", "maximum"),
    Rule("repetition.duplicate_line_characters", "repetition.duplicate_line_characters", "maximum"),
    Rule("repetition.duplicate_paragraphs", "repetition.duplicate_paragraphs", "maximum"),
    Rule("repetition.duplicate_paragraph_characters", "repetition.duplicate_paragraph_characters", "maximum"),
    *(Rule(f"repetition.top_{n}_gram", f"repetition.top_{n}_gram", "maximum") for n in (2, 3, 4)),
    *(Rule(f"repetition.duplicate_{n}_grams", f"repetition.duplicate_{n}_grams", "maximum") for n in range(5, 11)),
    Rule("c4.too_few_sentences", "c4.sentences", "minimum"),
    Rule("fineweb.line_punctuation", "fineweb.line_punctuation", "minimum"),
    Rule("fineweb.short_lines", "fineweb.short_lines", "maximum"),
    Rule("fineweb.duplicate_characters", "fineweb.duplicate_characters", "maximum"),
    Rule("fineweb.line_breaks", "fineweb.line_breaks_per_word", "maximum"),
    Rule("pii.id_numbers", "pii.id_numbers", "maximum"),
    Rule("pii.dense", "pii.items_per_1000_words", "maximum"),
)
_NAMES = tuple(rule.name for rule in RULES)

Bounds: TypeAlias = Mapping[str, float | None]  # rule -> bound; None turns the rule off
Languages: TypeAlias = Sequence[str] | pa.Array | pa.ChunkedArray  # a code a document


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Bounds of every rule for each language that has its own, and for "default"."""

    by_language: Mapping[str, Bounds]

    def of(self, language: str) -> Bounds:
        """The bounds that hold for a language."""
        return self.by_language.get(language, self.by_language[DEFAULT])

    def table(self) -> tuple[list[str], np.ndarray]:
        """The languages, and float32[languages, rules] of their bounds, NaN where a rule is off."""
        languages = list(self.by_language)
        rows = [[_or_nan(self.by_language[language].get(name)) for name in _NAMES] for language in languages]
        return languages, np.array(rows, np.float32)


def _or_nan(bound: float | None) -> float:
    return math.nan if bound is None else bound


def load_thresholds(overrides: Mapping[str, Bounds] | None = None) -> Thresholds:
    """The thresholds of crawlmix with a run's own: ``{"en": {"gopher.too_few_words": 20, "c4.policy": None}}``.

    None turns a rule off. An override of "default" holds for all languages but those whose file or override sets that
    rule itself. Raises UserError for an unknown rule or language, or a bound that is no number.
    """
    overrides = overrides or {}
    files = {path.stem: _load_file(path) for path in sorted(_FOLDER.glob("*.yaml"))}
    for language, bounds in overrides.items():
        _check(language, bounds, f"the thresholds of the run's config for '{language}'")
    default = {**files[DEFAULT], **overrides.get(DEFAULT, {})}
    languages = sorted((set(files) | set(overrides)) - {DEFAULT})
    own = {language: {**default, **files.get(language, {}), **overrides.get(language, {})} for language in languages}
    return Thresholds({DEFAULT: default, **own})


@functools.cache
def _load_file(path: Path) -> Bounds:
    bounds = yaml.safe_load(path.read_text(encoding="utf-8"))
    _check(path.stem, bounds, str(path))
    return bounds


def _check(language: str, bounds: Bounds, where: str) -> None:
    if language != DEFAULT and language not in LANGUAGES:
        raise UserError(
            f"Unknown language '{language}' in {where}; {_suggest(language, [DEFAULT, *sorted(LANGUAGES)])}."
        )
    for name, bound in bounds.items():
        if name not in _NAMES:
            raise UserError(f"Unknown rule '{name}' in {where}; {_suggest(name, _NAMES)}.")
        is_number = isinstance(bound, int | float) and not isinstance(bound, bool) and not math.isnan(bound)
        if bound is not None and not is_number:
            raise UserError(f"The bound of '{name}' in {where} is {bound!r}; give a number, or null to turn it off.")


def _suggest(name: str, known: Sequence[str]) -> str:
    """What the writer may have meant: the closest names, or all there are."""
    close = difflib.get_close_matches(name, known, n=3) or [other for other in known if name in other][:3]
    return f"the closest names are {', '.join(close)}" if close else f"known are {', '.join(known)}"


def failures(signals: pa.Table, languages: Languages, thresholds: Thresholds) -> pa.Table:
    """Which rules each document fails: one bool column a rule, in the order of ``RULES``.

    A document that fails one rule only is dropped "by this rule alone". Raises UserError where a signal is missing.
    """
    failed = _failed(signals, languages, thresholds)
    return pa.table({name: pa.array(failed[:, column]) for column, name in enumerate(_NAMES)})


def decide(signals: pa.Table, languages: Languages, thresholds: Thresholds) -> pa.Array:
    """The verdict on each document: the name of the first rule that it fails, or null where it is kept.

    ``signals`` has a row a document, as ``measure`` gives it; ``languages`` are their codes, in the same order.
    """
    failed = _failed(signals, languages, thresholds)
    reasons = pa.DictionaryArray.from_arrays(pa.array(failed.argmax(axis=1), mask=~failed.any(axis=1)), list(_NAMES))
    return reasons.cast(pa.string())


def explain(reason: str, signals: Mapping[str, float], language: str, thresholds: Thresholds) -> str:
    """A verdict of ``decide`` for people: the signal of the rule, its value and its bound."""
    rule = RULES[_NAMES.index(reason)]
    bound = thresholds.of(language)[reason]
    return f"{rule.signal} is {signals[rule.signal]:.4g}, {rule.bound} {bound:g}"


def _failed(signals: pa.Table, languages: Languages, thresholds: Thresholds) -> np.ndarray:
    """bool[documents, rules]"""
    known, bounds = thresholds.table()
    names = languages if isinstance(languages, pa.Array | pa.ChunkedArray) else pa.array(languages, pa.string())
    rows = np.asarray(pc.fill_null(pc.index_in(names, pa.array(known)), known.index(DEFAULT)))
    failed = np.zeros((signals.num_rows, len(RULES)), np.bool_)
    for column, rule in enumerate(RULES):
        if rule.signal not in signals.column_names:
            raise UserError(f"The signals have no column '{rule.signal}'; they are another version's: measure again.")
        values, bound = signals[rule.signal].to_numpy(), bounds[rows, column]
        failed[:, column] = values < bound if rule.bound == "minimum" else values > bound
    return failed
