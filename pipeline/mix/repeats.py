"""How often a document is read: floor(w), and once more for the part frac(w) of all documents.

Which documents those are depends on the record and the seed alone. So a larger weight adds documents and takes none
away, and two mixes differ by as few documents as their weights allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import UserError
from pipeline.mix.shards import BANDS, FOLDER, MANIFEST, Cell, category_of, cells_of
from pipeline.storage import Folder


class Shard(NamedTuple):
    """The documents of a shard, but for their text."""

    file: str  # name in the run's folder
    cells: list[Cell]
    places: np.ndarray  # of each row, its cell, int64 [rows]
    records: np.ndarray  # uint64 [rows]
    tokens: np.ndarray  # int32 [rows]

    def repeats(self, mix: Mapping[str, Any]) -> np.ndarray:
        """How often a pass over a mix (the content of mix.json) reads each row, int64 [rows]."""
        return times_read(self.records, self.tokens, weights_of(self.cells, mix)[self.places], mix["seed"])


def read_shards(run: Folder) -> Iterator[Shard]:
    """All shards in the manifest's order, from four narrow columns."""
    for entry in run.read_json(MANIFEST)["files"]:
        file = f"{FOLDER}/{entry['path']}"
        table = run.read_table(file, ["record_id", "language", "quality", "tokens"])
        cells, places = cells_of(table, category_of(file))
        records = record_numbers(table["record_id"].to_pylist())
        yield Shard(file, cells, places, records, table["tokens"].to_numpy())


def weights_of(cells: Sequence[Cell], mix: Mapping[str, Any]) -> np.ndarray:
    """The repeats w that a mix (the content of mix.json) gives to cells, float64 [n].

    A cell of a mix that names no band stands for all of them. Raises UserError for a cell that the mix does not have.
    """
    weights = {
        Cell(cell["category"], cell["language"], band): float(cell["repeats"])
        for cell in mix["cells"]
        for band in ([cell["band"]] if "band" in cell else BANDS)
    }
    for cell in cells:
        if cell not in weights:
            raise UserError(
                f"the mix {mix['name']!r} does not say how often to read {cell.category} in {cell.language} "
                f"of {cell.band} quality: plan the mix again"
            )
    return np.array([weights[cell] for cell in cells])


def times_read(records: np.ndarray, tokens: np.ndarray, repeats: np.ndarray, seed: int) -> np.ndarray:
    """Times that each document is read, int64 [n]: ``repeat_counts``, but never where it has no tokens."""
    return np.where(tokens > 0, repeat_counts(records, repeats, seed), 0)


def repeat_counts(records: np.ndarray, repeats: np.ndarray | float, seed: int) -> np.ndarray:
    """Times that each record is read, int64 [n]: floor(w) + [u < frac(w)] with u = ``uniform(records, seed)``.

    ``records``: uint64 [n], see ``record_numbers``; ``repeats``: w ≥ 0 of each record, or of all.
    """
    whole = np.floor(repeats)
    return (whole + (uniform(records, seed) < repeats - whole)).astype(np.int64)


def repeat_count(record: int, repeats: float, seed: int) -> int:
    """``repeat_counts`` of one record."""
    return int(repeat_counts(np.array([record], np.uint64), repeats, seed)[0])


def uniform(records: np.ndarray, seed: int) -> np.ndarray:
    """A number in [0, 1] for each record, float64 [n]: SplitMix64 (Steele et al. 2014) of seed, then record."""
    state = _mix(np.array([seed]).astype(np.uint64))
    return _mix(state ^ records) / 2.0**64


def record_numbers(record_ids: Sequence[str]) -> np.ndarray:
    """record_ids (16 hex characters each) as numbers, uint64 [n]."""
    return np.frombuffer(bytes.fromhex("".join(record_ids)), ">u8").astype(np.uint64)


def _mix(state: np.ndarray) -> np.ndarray:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
