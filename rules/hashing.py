"""64-bit hashes of code points and rows, and the open-addressing table that finds equal ones."""

from __future__ import annotations

import numpy as np
from numba import njit

SEED = np.uint64(0xCBF29CE484222325)  # FNV-1a over code points
_PRIME = np.uint64(0x100000001B3)
_FOLD = np.uint64(32)


@njit(cache=True, nogil=True)
def add(digest: np.uint64, value: int) -> np.uint64:
    """One step of a 64-bit rolling hash."""
    return (digest ^ np.uint64(value)) * _PRIME


@njit(cache=True, nogil=True)
def hash_codes(codes: np.ndarray) -> np.uint64:
    """The hash of a run of code points, as words and lines have it."""
    digest = SEED
    for code in codes:
        digest = add(digest, code)
    return digest


@njit(cache=True, nogil=True)
def join(hashes: np.ndarray, heads: np.ndarray, last: np.ndarray) -> np.ndarray:
    """uint64[heads]: one hash for the rows heads[k] to last[k]."""
    joined = np.empty(heads.size, np.uint64)
    for row in range(heads.size):
        digest = SEED
        for line in range(heads[row], last[row] + 1):
            digest = (digest ^ hashes[line]) * _PRIME
        joined[row] = digest
    return joined


@njit(cache=True, nogil=True)
def table_size(first: np.ndarray) -> int:
    """Slots of a hash table for the largest text's rows: a power of two, at most half full."""
    most = 1
    for text in range(first.size - 1):
        most = max(most, first[text + 1] - first[text])
    size = 2
    while size < 2 * most:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def find_slot(keys: np.ndarray, owner: np.ndarray, current: int, key: np.uint64) -> np.int64:
    """The slot of a key in an open-addressing table: its own, or the free one where it belongs.

    A slot is taken when ``owner[slot] == current``; a new value of ``current`` empties the whole table at no cost.
    """
    mask = keys.size - 1
    slot = np.int64((key ^ (key >> _FOLD)) & np.uint64(mask))
    while owner[slot] == current and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True)
def repeats(hashes: np.ndarray, included: np.ndarray, first: np.ndarray) -> np.ndarray:
    """bool a row: is included and stood among the included rows before it in the same text."""
    repeated = np.zeros(hashes.size, np.bool_)
    size = table_size(first)
    keys, owner = np.empty(size, np.uint64), np.full(size, -1, np.int64)
    for text in range(first.size - 1):
        for row in range(first[text], first[text + 1]):
            if not included[row]:
                continue
            slot = find_slot(keys, owner, text, hashes[row])
            repeated[row] = owner[slot] == text
            owner[slot] = text
            keys[slot] = hashes[row]
    return repeated
