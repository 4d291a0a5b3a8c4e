"""Takes the chance out of a plan: what it states is what its repeats draw.

Which documents a weight adds is decided by hash, so what a pass draws differs from the plan by chance: by a percent of
the mix where there are thousands of documents. So the weights of each kind and language are scaled by one factor, with
which the documents drawn have the tokens planned, to within a document: the nearer to 1, the more documents there are.
A cell's weight still only adds documents as it grows: mixes stay nested.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from pipeline.mix.plan import DIGITS, Plan
from pipeline.mix.repeats import read_shards, times_read
from pipeline.mix.shards import Cell
from pipeline.storage import Folder

LARGEST = 2.0  # factor; the smallest is its inverse
HALVINGS = 30  # of the interval that the factor is in


@dataclass(frozen=True)
class Group:
    """The documents of some cells, and their cells' weights."""

    cells: list[Cell]
    weights: np.ndarray  # of each cell
    places: np.ndarray  # of each document, its cell
    records: np.ndarray
    tokens: np.ndarray
    cap: float
    seed: int

    def scaled(self, factor: float) -> np.ndarray:
        return np.minimum(np.round(self.weights * factor, DIGITS), self.cap)

    def drawn(self, factor: float) -> np.ndarray:
        """Tokens that the scaled weights draw, of each cell."""
        times = times_read(self.records, self.tokens, self.scaled(factor)[self.places], self.seed)
        return np.bincount(self.places, weights=times * self.tokens, minlength=len(self.cells))

    def factor(self) -> float:
        """The factor whose tokens are nearest to what the weights give on average."""
        unique = np.bincount(self.places, weights=self.tokens, minlength=len(self.cells))
        wanted = float((unique * self.weights).sum())
        below, above = 1 / LARGEST, LARGEST
        for _ in range(HALVINGS):
            middle = (below + above) / 2
            below, above = (below, middle) if self.drawn(middle).sum() > wanted else (middle, above)
        # 1 comes first, so that a plan that chance does not touch stays as it is
        return min((1.0, below, above), key=lambda factor: abs(self.drawn(factor).sum() - wanted))


def settle(plan: Plan, run: Folder) -> Plan:
    """The plan with its repeats scaled, and with what these draw from the run's shards.

    Shortfall and surplus stay as solved. Takes some 30 bytes of memory a document.
    """
    repeats = {Cell(entry["category"], entry["language"], entry["band"]): entry["repeats"] for entry in plan.cells}
    read: dict[Cell, int] = {}
    for group in _groups(plan, run, repeats):
        factor = group.factor()
        repeats |= zip(group.cells, group.scaled(factor).tolist(), strict=True)
        read |= zip(group.cells, group.drawn(factor).astype(np.int64).tolist(), strict=True)
    return plan.restated(repeats, read)


def _groups(plan: Plan, run: Folder, repeats: dict[Cell, float]) -> list[Group]:
    """The documents of each kind in each language."""
    kinds = {entry["category"]: entry["kind"] for entry in plan.categories}
    parts: defaultdict[tuple[str, str], list[tuple[Cell, np.ndarray, np.ndarray]]] = defaultdict(list)
    for shard in read_shards(run):
        for place, cell in enumerate(shard.cells):
            rows = shard.places == place
            parts[kinds[cell.category], cell.language].append((cell, shard.records[rows], shard.tokens[rows]))
    groups = []
    for members in parts.values():
        cells = sorted({cell for cell, _, _ in members})
        places = [np.full(len(records), cells.index(cell)) for cell, records, _ in members]
        groups.append(
            Group(
                cells=cells,
                weights=np.array([repeats[cell] for cell in cells]),
                places=np.concatenate(places),
                records=np.concatenate([records for _, records, _ in members]),
                tokens=np.concatenate([tokens for _, _, tokens in members]),
                cap=plan.max_repeats,
                seed=plan.seed,
            )
        )
    return groups
