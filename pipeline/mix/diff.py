"""Two mixes compared: what a pass over each reads, and the documents that enter and leave between them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from pipeline.mix.repeats import Shard, read_shards
from pipeline.mix.shards import ROW_GROUP, Cell, category_of
from pipeline.storage import Folder

WORDS_SHOWN = 160  # characters of a sample's text


class Place(NamedTuple):
    """Where a document is. Record ids are hashes, so the documents with the smallest are a fair and stable sample."""

    record: int
    file: str
    row: int


@dataclass
class Movement:
    """What some documents add to mix A and to mix B.

    A document counts as often as it is read. It enters where B reads it and A does not, and leaves where A does and B
    does not; ``enters`` and ``leaves`` are samples of those.
    """

    tokens_a: int = 0
    tokens_b: int = 0
    documents_a: int = 0
    documents_b: int = 0
    documents_entering: int = 0
    documents_leaving: int = 0
    enters: list[Place] = field(default_factory=list)
    leaves: list[Place] = field(default_factory=list)

    def add(self, other: Movement, samples: int) -> None:
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.enters = heapq.nsmallest(samples, [*self.enters, *other.enters])
        self.leaves = heapq.nsmallest(samples, [*self.leaves, *other.leaves])

    def numbers(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in NUMBERS}


NUMBERS = ("tokens_a", "tokens_b", "documents_a", "documents_b", "documents_entering", "documents_leaving")


def compare(run: Folder, a: Mapping[str, Any], b: Mapping[str, Any], samples: int) -> dict[Cell, Movement]:
    """What moves in each cell between two mixes (contents of mix.json), counted shard by shard."""
    movements: dict[Cell, Movement] = {}
    for shard in read_shards(run):
        repeats = shard.repeats(a), shard.repeats(b)
        for place, cell in enumerate(shard.cells):
            rows = np.flatnonzero(shard.places == place)
            movements.setdefault(cell, Movement()).add(_movement(shard, rows, repeats, samples), samples)
    return movements


def _movement(shard: Shard, rows: np.ndarray, repeats: tuple[np.ndarray, np.ndarray], samples: int) -> Movement:
    tokens, (a, b) = shard.tokens[rows], (times[rows] for times in repeats)
    enters, leaves = rows[(a == 0) & (b > 0)], rows[(a > 0) & (b == 0)]
    return Movement(
        tokens_a=int((a * tokens).sum()),
        tokens_b=int((b * tokens).sum()),
        documents_a=int(a.sum()),
        documents_b=int(b.sum()),
        documents_entering=len(enters),
        documents_leaving=len(leaves),
        enters=_sample(shard, enters, samples),
        leaves=_sample(shard, leaves, samples),
    )


def _sample(shard: Shard, rows: np.ndarray, samples: int) -> list[Place]:
    rows = rows[np.argsort(shard.records[rows], kind="stable")[:samples]]
    return [Place(int(shard.records[row]), shard.file, int(row)) for row in rows]


def merged(
    movements: Mapping[Cell, Movement], name: Callable[[Cell], str], order: Iterable[str], samples: int
) -> dict[str, Movement]:
    """Movements of the cells with the same ``name`` in one; names in ``order``, those without documents left out."""
    found: dict[str, Movement] = {}
    for cell, movement in movements.items():
        found.setdefault(name(cell), Movement()).add(movement, samples)
    return {one: found[one] for one in order if one in found}


def read_samples(run: Folder, places: Iterable[Place]) -> list[dict[str, Any]]:
    """record_id, url, title, language, quality, tokens, category and, as text, the first words of documents."""
    return [_read_sample(run, place) for place in places]


def _read_sample(run: Folder, place: Place) -> dict[str, Any]:
    group, row = divmod(place.row, ROW_GROUP)
    columns = ["record_id", "url", "title", "language", "quality", "tokens", "text"]
    with run.fs.open(run.path(place.file), "rb") as file:
        table = pq.ParquetFile(file).read_row_group(group, columns=columns)
    document: dict[str, Any] = table.slice(row, 1).to_pylist()[0]
    words = " ".join(document["text"][: 2 * WORDS_SHOWN].split())
    return document | {"category": category_of(place.file), "text": words[:WORDS_SHOWN]}
