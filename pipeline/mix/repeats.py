"""How often a document is read: floor(w), and once more for the part frac(w) of all documents.

Which documents those are depends on the record and the seed alone. So a larger weight adds documents and takes none
away, and two mixes differ by as few documents as their weights allow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
