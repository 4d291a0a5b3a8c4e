"""The solver: how often to read the documents of each cell, so that the tokens have the mix's shares.

A cell is what has one category, one language and one quality band. A document is read at most ``max_repeats`` times, so
small categories may not reach their share. What they lack goes to all others in proportion (waterfilling); the plan
says who fell short and who took it. Caps, floors and the total always hold; after them the categories' shares, then the
languages', then the preference for quality bands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.errors import UserError
from pipeline.mix.shards import BANDS, Cell
from pipeline.mix.spec import MixSpec, Taxonomy, assign

CELLS = pa.schema(
    {
        "category": pa.string(),
        "language": pa.string(),
        "band": pa.string(),
        "documents": pa.int64(),
        "tokens": pa.int64(),
    }
)

ROUNDS = 200  # of fitting categories and languages in turn, at most
TOLERANCE = 1e-9  # of the total; where a round changes less, fitting ends
DIGITS = 12  # of repeats, so that the last bits of sums do not show
TINY = 1e-300  # in place of a divisor that may be 0


@dataclass(frozen=True)
class Plan:
    """A solved mix. Shares are shares of tokens and sum to 1; ``repeats`` is tokens read / unique tokens.

    Shares of categories count each document for the one category that it was assigned to, since a mix draws whole
    documents. What they truly consist of is another number: see shares.py.

    categories: category, group, kind, documents, unique_tokens, share_before, target_share, share_after, repeats,
    shortfall (what the solved share lacks to its target) and surplus (what it took of others' shortfall).
    languages, bands: language or band, and the same from documents on.
    cells: category, language, band, documents, unique_tokens, repeats.
    """

    name: str
    seed: int
    spec: dict[str, Any]  # what was asked for
    max_repeats: float
    tokens_before: int
    tokens_after: float
    categories: list[dict[str, Any]]
    languages: list[dict[str, Any]]
    bands: list[dict[str, Any]]
    cells: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """What mix.json holds, but for the tokenizer."""
        return {"version": 1, **vars(self)}

    def restated(self, repeats: Mapping[Cell, float], read: Mapping[Cell, int]) -> Plan:
        """The same plan with other repeats of its cells, of which a pass reads ``read`` tokens."""
        total = sum(read.values())

        def recounted(entries: list[dict[str, Any]], dimension: str) -> list[dict[str, Any]]:
            tokens: Counter[str] = Counter()
            for cell, count in read.items():
                tokens[getattr(cell, dimension)] += count
            return [entry | _reached(entry["unique_tokens"], tokens[entry[dimension]], total) for entry in entries]

        return replace(
            self,
            tokens_after=float(total),
            categories=recounted(self.categories, "category"),
            languages=recounted(self.languages, "language"),
            bands=recounted(self.bands, "band"),
            cells=[
                cell | {"repeats": repeats[Cell(cell["category"], cell["language"], cell["band"])]}
                for cell in self.cells
            ],
        )


def solve(cells: pa.Table, spec: MixSpec, taxonomy: Taxonomy, seed: int = 0) -> Plan:
    """Solves ``spec`` over ``cells`` (schema CELLS, a row for each cell that has documents).

    Raises UserError for a plan that cannot be: nothing to read, a budget or floors beyond the caps, unknown names.
    """
    leaves = list(taxonomy.leaves)
    languages = sorted({*cells["language"].to_pylist(), *spec.languages})
    documents, unique = _arrays(cells, leaves, languages)
    wanted = np.array([spec.languages.get(language, 1) > 0 for language in languages])
    quality = np.array([spec.quality.get(band, 1.0) for band in BANDS])
    usable = unique * wanted[:, None] * (quality > 0)
    natural = usable * quality * _weights(spec, taxonomy)[:, None, None]
    targets = _category_targets(natural.sum(axis=(1, 2)), spec, taxonomy)
    base = targets[:, None, None] * natural / np.maximum(natural.sum(axis=(1, 2), keepdims=True), TINY)
    caps = spec.max_repeats * usable * (base > 0)
    total = _total(usable[base > 0].sum(), caps.sum(), spec)
    floors = _floors(base, caps, total, spec, taxonomy)
    category_totals = fill(targets, floors.sum(axis=(1, 2)), caps.sum(axis=(1, 2)), total)
    language_targets = _language_targets(base.sum(axis=(0, 2)), languages, spec)
    language_totals = fill(language_targets, floors.sum(axis=(0, 2)), caps.sum(axis=(0, 2)), total)
    tokens = _fit(base, floors, caps, category_totals, language_totals if spec.languages else None)
    repeats = np.minimum(np.round(tokens / np.maximum(unique, 1), DIGITS), spec.max_repeats)
    read, band_targets = unique * repeats, base.sum(axis=(0, 1)) / base.sum()
    return Plan(
        name=spec.name,
        seed=seed,
        spec=spec.model_dump(),
        max_repeats=spec.max_repeats,
        tokens_before=int(unique.sum()),
        tokens_after=float(read.sum()),
        categories=[
            {"category": leaf, "group": taxonomy.group[leaf], "kind": taxonomy.kind[leaf]} | account
            for leaf, account in zip(leaves, _accounts(documents, unique, read, targets, axis=0), strict=True)
            if account["documents"] or account["target_share"]
        ],
        languages=[
            {"language": language} | account
            for language, account in zip(
                languages, _accounts(documents, unique, read, language_targets, axis=1), strict=True
            )
        ],
        bands=[
            {"band": band} | account
            for band, account in zip(BANDS, _accounts(documents, unique, read, band_targets, axis=2), strict=True)
        ],
        cells=[
            Cell(leaves[i], languages[j], BANDS[k])._asdict()
            | {
                "documents": int(documents[i, j, k]),
                "unique_tokens": int(unique[i, j, k]),
                "repeats": float(repeats[i, j, k]),
            }
            for i, j, k in np.argwhere(documents)
        ],
    )


def fill(weights: np.ndarray, low: np.ndarray, high: np.ndarray, total: float) -> np.ndarray:
    """``total`` shared out in proportion to ``weights``, each between ``low`` and ``high`` (waterfilling).

    That is clip(level · weights, low, high) for the level whose sum is ``total``, or ``high`` where it is out of reach.
    """
    return np.clip(_level(weights, low, high, total) * weights, low, high)


@njit(cache=True, nogil=True)
def _level(weights: np.ndarray, low: np.ndarray, high: np.ndarray, total: float) -> float:
    """The level; the sum of clip(level · weights, low, high) is linear between the levels that meet a bound."""
    some = weights > 0
    knots = np.sort(np.concatenate((np.zeros(1), low[some] / weights[some], high[some] / weights[some])))
    first, last = 0, len(knots)
    while first < last:
        middle = (first + last) // 2
        if _filled(knots[middle], weights, low, high) < total:
            first = middle + 1
        else:
            last = middle
    if first == 0 or first == len(knots):
        return float(knots[min(first, len(knots) - 1)])
    below, above = _filled(knots[first - 1], weights, low, high), _filled(knots[first], weights, low, high)
    return float(knots[first - 1] + (knots[first] - knots[first - 1]) * (total - below) / (above - below))


@njit(cache=True, nogil=True)
def _filled(level: float, weights: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    total = 0.0
    for place in range(len(weights)):
        total += min(max(level * weights[place], low[place]), high[place])
    return total


def _arrays(cells: pa.Table, leaves: list[str], languages: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Documents and tokens, float64 [leaves, languages, bands]."""
    unknown = sorted(set(cells["category"].to_pylist()) - set(leaves))
    if unknown:
        raise UserError(
            f"the documents have the category {unknown[0]!r}, which the taxonomy lacks: classify them again"
        )
    documents, tokens = np.zeros((2, len(leaves), len(languages), len(BANDS)))
    for cell in cells.to_pylist():
        at = leaves.index(cell["category"]), languages.index(cell["language"]), BANDS.index(cell["band"])
        documents[at] += cell["documents"]
        tokens[at] += cell["tokens"]
    return documents, tokens


def _weights(spec: MixSpec, taxonomy: Taxonomy) -> np.ndarray:
    """Multiplier of each leaf; 1 where the mix says nothing."""
    names = assign(spec.weights, taxonomy, spec.name)
    return np.array([spec.weights[names[leaf]] if leaf in names else 1.0 for leaf in taxonomy.leaves])


def _category_targets(natural: np.ndarray, spec: MixSpec, taxonomy: Taxonomy) -> np.ndarray:
    """Target share of each leaf. Named shares are split by ``natural`` (weighted tokens); so is the rest."""
    names = assign(spec.shares, taxonomy, spec.name)
    named = sum(spec.shares.values())
    if named > 1 + TOLERANCE:
        raise UserError(f"the shares of the mix {spec.name!r} add up to {named:.4g}: lower them to 1 or less")
    targets = np.zeros(len(natural))
    for name, share in [*spec.shares.items(), (None, max(0.0, 1 - named))]:
        members = np.array([names.get(leaf) == name for leaf in taxonomy.leaves])
        split = natural * members
        if name is not None and not split.any():
            split = members.astype(float)  # nothing to read here: the plan shows the whole share as shortfall
        targets += share * split / max(split.sum(), TINY)
    if not (targets * natural).any():
        raise UserError(f"the mix {spec.name!r} has nothing to read: no document is in a category that it wants")
    return targets / targets.sum()


def _language_targets(natural: np.ndarray, languages: list[str], spec: MixSpec) -> np.ndarray:
    """Target share of each language: those that ``spec`` names share what they have together by their ratio."""
    ratio = np.array([spec.languages.get(language, 0.0) for language in languages])
    named = np.array([language in spec.languages for language in languages])
    natural = natural / natural.sum()
    return np.where(named, natural[named].sum() * ratio / max(ratio.sum(), TINY), natural)


def _total(usable: float, reachable: float, spec: MixSpec) -> float:
    """Tokens to read."""
    if spec.budget is None:
        return min(usable, reachable)
    if spec.budget > reachable:
        raise UserError(
            f"the mix {spec.name!r} wants {spec.budget:,} tokens, but of the {usable:,.0f} that it may take its caps "
            f"allow no more than {reachable:,.0f}: lower its budget or raise max_repeats"
        )
    return float(spec.budget)


def _floors(base: np.ndarray, caps: np.ndarray, total: float, spec: MixSpec, taxonomy: Taxonomy) -> np.ndarray:
    """Least tokens of each cell, so that each name in ``spec.floors`` has its share of ``total``."""
    floors = np.zeros_like(base)
    covered = assign(spec.floors, taxonomy, spec.name)
    for name, share in spec.floors.items():
        cells = np.array([covered.get(leaf) == name for leaf in taxonomy.leaves])[:, None, None] & (caps > 0)
        reachable = caps[cells].sum()
        if share * total > reachable:
            raise UserError(
                f"the mix {spec.name!r} has the floor {share:.4g} for {name!r}, but its caps allow {name!r} no more "
                f"than {reachable / total:.4g}: lower the floor or the budget, or raise max_repeats"
            )
        floors[cells] = fill(base[cells], np.zeros(cells.sum()), caps[cells], share * total)
    if floors.sum() > total * (1 + TOLERANCE):
        raise UserError(
            f"the floors of the mix {spec.name!r} add up to {floors.sum() / total:.4g}: lower them to 1 or less"
        )
    return floors


def _fit(
    base: np.ndarray, low: np.ndarray, high: np.ndarray, row_totals: np.ndarray, column_totals: np.ndarray | None
) -> np.ndarray:
    """Cells rows · base · columns within bounds whose sums are the totals: iterative proportional fitting.

    Rows are categories and columns languages: the first two axes. Where both totals cannot be met at once, those of the
    rows are.
    """
    rows, columns = np.ones((len(base), 1, 1)), np.ones((base.shape[1], 1))
    reached = np.zeros(base.shape[1])
    for _ in range(ROUNDS):
        for i in np.flatnonzero(row_totals):
            rows[i] = _level((base[i] * columns).ravel(), low[i].ravel(), high[i].ravel(), row_totals[i])
        tokens = np.clip(rows * base * columns, low, high)
        before, reached = reached, tokens.sum(axis=(0, 2))
        if column_totals is None or np.abs(reached - before).max() <= TOLERANCE * row_totals.sum():
            break
        for j in np.flatnonzero(column_totals):
            column = (base * rows)[:, j].ravel()
            columns[j] = _level(column, low[:, j].ravel(), high[:, j].ravel(), column_totals[j])
        columns = np.maximum(columns / columns.max(), 1e-30)  # only ratios matter; totals at odds drive them apart
    return tokens


def _accounts(
    documents: np.ndarray, unique: np.ndarray, read: np.ndarray, targets: np.ndarray, axis: int
) -> list[dict[str, Any]]:
    """What a plan does along one axis of the cells."""
    others = tuple(other for other in range(3) if other != axis)
    total_before, total_after = float(unique.sum()), float(read.sum())
    accounts = []
    for count, before, after, target in zip(
        *(array.sum(axis=others).tolist() for array in (documents, unique, read)), targets.tolist(), strict=True
    ):
        reached = _reached(before, after, total_after)
        missed = target - reached["share_after"]
        accounts.append(
            {"documents": int(count), "unique_tokens": int(before), "share_before": before / total_before}
            | {"target_share": target}
            | reached
            | {"shortfall": max(missed, 0.0), "surplus": max(-missed, 0.0)}
        )
    return accounts


def _reached(unique: float, read: float, total: float) -> dict[str, float]:
    return {"share_after": read / max(total, TINY), "repeats": read / max(unique, 1)}
