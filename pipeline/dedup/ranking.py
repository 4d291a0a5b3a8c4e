"""Which copy stays: the rows of one key as a group, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# Rank of a document among its copies. Nulls and NaN come last; record_id makes the order total.
RANK = (("quality", "descending"), ("length", "descending"), ("record_id", "ascending"))


@dataclass(frozen=True)
class Groups:
    """Rows sorted so that those of a group stand together, best first; only groups of more than one."""

    rows: pa.Table
    best: np.ndarray  # int64: for each row, the place of the best row of its group
    size: np.ndarray  # int64: for each row, the rows of its group


def groups(rows: pa.Table, keys: Sequence[str] = ("key",)) -> Groups:
    """Groups of the rows that agree in all ``keys``, ranked by those columns of RANK that ``rows`` has."""
    rows = rows.filter(pa.array(_repeated(rows[keys[0]].to_numpy())))
    rank = [order for order in RANK if order[0] in rows.column_names]
    rows = rows.sort_by([(key, "ascending") for key in keys] + rank)
    first = np.ones(rows.num_rows, bool)
    if rows.num_rows:
        first[1:] = np.logical_or.reduce(
            [column[1:] != column[:-1] for column in (rows[key].to_numpy() for key in keys)]
        )
    starts = np.flatnonzero(first)
    sizes = np.diff(np.append(starts, rows.num_rows))
    best, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    if (size > 1).all():
        return Groups(rows, best, size)
    return groups(rows.filter(pa.array(size > 1)), keys)  # rows that agreed in the first key only


def _repeated(keys: np.ndarray) -> np.ndarray:
    """True where a key occurs more than once: most keys do not, and their rows need no sorting."""
    order = np.argsort(keys, kind="stable")
    same = np.zeros(len(keys) + 1, bool)
    same[1:-1] = keys[order[1:]] == keys[order[:-1]]
    repeated = np.empty(len(keys), bool)
    repeated[order] = same[1:] | same[:-1]
    return repeated
