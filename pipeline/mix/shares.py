"""What documents truly consist of: the mass of their probabilities, and the shares estimated from it.

A mix counts a document in the one category that it was assigned. The model gives it a probability of every category:
their sum over documents, weighted by tokens, says more of a collection than the best guesses do. It is kept by cell, so
that it is known for every mix: a cell's mass times its repeats.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers.backends import DEFAULT
from classifiers.category import estimate_shares, stated_shares
from classifiers.taxonomy import load_taxonomy
from pipeline.mix.repeats import weights_of
from pipeline.mix.shards import BANDS, Cell, cells_of
from pipeline.run import Run

FILE = "mass.parquet"
MASS = pa.schema(
    {
        "category": pa.string(),  # the cell that documents were assigned to: category, language, band
        "language": pa.string(),
        "band": pa.string(),
        "leaf": pa.string(),  # what they may be
        "tokens": pa.float64(),  # sum of tokens times probability
    }
)
LEVELS = ("kind", "group", "category")  # that shares are estimated for
Mass = dict[Cell, np.ndarray]  # float64 [200], in the order of the taxonomy's leaves; sums to the cell's tokens


def leaf_probabilities(categories: list[str], groups: list[str]) -> np.ndarray:
    """float64 [n, 200]: the probabilities of documents by their signals of these names (JSON), each row summing to 1.

    What a group has beyond the best five categories is spread evenly over its others. A row is 0 where a model of the
    user's own gave no category any probability.
    """
    taxonomy = load_taxonomy()
    places = {leaf: place for place, leaf in enumerate(taxonomy.leaves)}
    members = {name: [places[leaf] for leaf in places if taxonomy.group[leaf] == name] for name in taxonomy.groups}
    rows = np.zeros((len(categories), len(places)))
    for row, best, stated in zip(rows, map(json.loads, categories), map(json.loads, groups), strict=True):
        left = dict(stated)
        for leaf, share in best:
            row[places[leaf]] = share
            left[taxonomy.group[leaf]] = left.get(taxonomy.group[leaf], 0.0) - share
        named = {places[leaf] for leaf, _ in best}
        for group, share in left.items():
            others = [place for place in members[group] if place not in named]
            row[others] = max(share, 0.0) / max(len(others), 1)
    return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)


def count_mass(documents: pa.Table) -> Mass:
    """The mass of documents (columns category, language, quality, tokens, and the signals categories, groups)."""
    mass: Mass = {}
    probabilities = leaf_probabilities(documents["categories"].to_pylist(), documents["groups"].to_pylist())
    weighted = probabilities * documents["tokens"].to_numpy()[:, None]
    assigned = np.array(documents["category"].to_pylist(), object)
    for category in sorted(set(assigned)):
        rows = np.flatnonzero(assigned == category)
        cells, places = cells_of(documents.select(["language", "quality"]).take(pa.array(rows)), category)
        mass |= {cell: weighted[rows[places == place]].sum(axis=0) for place, cell in enumerate(cells)}
    return mass


def add_mass(total: Mass, mass: Mass) -> None:
    """Adds ``mass`` to ``total``; sums of floats depend on the order of the calls."""
    for cell, row in mass.items():
        total[cell] = total[cell] + row if cell in total else row


def to_table(mass: Mass) -> pa.Table:
    """Schema MASS, a row where there is any, cells and leaves in a fixed order."""
    leaves = load_taxonomy().leaves
    order = sorted(mass, key=lambda cell: (leaves.index(cell.category), cell.language, BANDS.index(cell.band)))
    rows = [
        cell._asdict() | {"leaf": leaves[place], "tokens": float(mass[cell][place])}
        for cell in order
        for place in np.flatnonzero(mass[cell])
    ]
    return pa.Table.from_pylist(rows, MASS)


def from_table(table: pa.Table) -> Mass:
    leaves = load_taxonomy().leaves
    places = {leaf: place for place, leaf in enumerate(leaves)}
    mass: Mass = {}
    for *cell, leaf, tokens in zip(*(column.to_pylist() for column in table.columns), strict=True):
        mass.setdefault(Cell(*cell), np.zeros(len(leaves)))[places[leaf]] = tokens
    return mass


def estimates(run: Run, mix: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float | None]]]:
    """What the run's documents truly consist of before and after a mix (the content of mix.json).

    Level (kind, group, category) → name → ``estimated_before``, ``estimated_before_low``, ``estimated_before_high`` and
    the same of ``estimated_after``; low and high are None for a model of the user's own. Empty where the run's crawlmix
    was older and counted no mass. Raises UserError for a mix that lacks one of the run's cells.
    """
    if not run.folder.exists(FILE):
        return {}
    mass = from_table(run.folder.read_table(FILE))
    wholes = {"estimated_before": np.sum(list(mass.values()), axis=0), "estimated_after": mass_read(mass, mix)}
    result: dict[str, dict[str, dict[str, float | None]]] = {}
    for level in LEVELS:
        fields = result.setdefault(level, defaultdict(dict))
        for field, whole in wholes.items():
            for name, (share, low, high) in _estimate(whole, level, correctable(run)).items():
                fields[name] |= {field: share, f"{field}_low": low, f"{field}_high": high}
    return result


def correctable(run: Run) -> bool:
    """Whether it is known what the run's category model confuses: of the one that ships, not of the user's own."""
    return run.config.balance.models.category_model == DEFAULT


def _estimate(mass: np.ndarray, level: str, corrected: bool) -> dict[str, tuple[float, float | None, float | None]]:
    """(share, low, high) of each name of a level, in the order of the taxonomy; no interval where there is no mass."""
    taxonomy = load_taxonomy()
    names = {"kind": taxonomy.kinds, "group": taxonomy.groups, "category": taxonomy.leaves}[level]
    if corrected and mass.any():
        share, low, high = (column.tolist() for column in estimate_shares(mass, level))
    else:
        share, low, high = stated_shares(mass, level).tolist(), repeat(None), repeat(None)
    return dict(zip(names, zip(share, low, high, strict=False), strict=True))


def mass_read(mass: Mass, mix: Mapping[str, Any]) -> np.ndarray:
    """float64 [200]: the mass of what a pass over a mix reads, each cell's times its repeats.

    Scaled so that each category has the tokens that the mix states, which for small runs are those drawn.
    """
    cells = list(mass)
    rows = np.array([mass[cell] for cell in cells]) * weights_of(cells, mix)[:, None]
    total = np.zeros(rows.shape[1])
    for entry in mix["categories"]:
        of_category = rows[[cell.category == entry["category"] for cell in cells]].sum(axis=0)
        total += of_category * (entry["unique_tokens"] * entry["repeats"] / max(of_category.sum(), 1e-12))
    return total


def with_all_categories(mix: dict[str, Any], estimated: Mapping[str, Any]) -> dict[str, Any]:
    """The mix with an entry for every category of ``estimated`` that has a share, also where it has no document."""
    taxonomy = load_taxonomy()
    entries = {entry["category"]: entry for entry in mix["categories"]}
    nothing = dict.fromkeys(next(iter(entries.values())), 0)
    for leaf in taxonomy.leaves:
        if leaf not in entries and estimated[leaf]["estimated_before"]:
            entries[leaf] = nothing | {"category": leaf, "group": taxonomy.group[leaf], "kind": taxonomy.kind[leaf]}
    return mix | {"categories": [entries[leaf] for leaf in taxonomy.leaves if leaf in entries]}
