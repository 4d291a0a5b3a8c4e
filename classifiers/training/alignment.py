"""Which tokens of a page stand in its gold text: the labels that the clutter model is trained on.

The page's tokens and the gold's are aligned in order by the longest chain of shared 3-grams; what is left of both is
aligned again, since gold texts do not always keep the page's order. So a title or teaser that a page repeats counts
as often as the gold has it. Blocks too short for a 3-gram belong to the text if the gold has their tokens
between those of their aligned neighbours; where the gold does not tell, their label is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ALONE: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
TOKEN: Final = re.compile(f"[{_ALONE}]|[^\\W{_ALONE}]+")  # a word; a single character in scripts without spaces
GRAM: Final = 3
_MOST_PLACES: Final = 12  # of a 3-gram in the gold text that are looked at
_PASSES: Final = 3
_WIDEST_GAP: Final = 40  # tokens of gold between two aligned neighbours, for short blocks


def tokens(text: str) -> list[str]:
    return TOKEN.findall(text.lower())


def block_labels(blocks: Sequence[str], gold: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """For each block its tokens, and the share of them that stand in the gold text (-1: unknown)."""
    numbers: dict[str, int] = {}
    of_gold = np.array([numbers.setdefault(token, len(numbers)) for token in tokens(gold)], np.int64)
    per_block = [[numbers.get(token, -1) for token in tokens(block)] for block in blocks]
    counts = np.array([len(block) for block in per_block], np.int32)
    of_page = np.array([token for block in per_block for token in block], np.int64)
    place = np.full(len(of_page), -1, np.int64)  # of each token in the gold text
    used = np.zeros(len(of_gold), np.bool_)
    for _ in range(_PASSES):
        if len(of_page) < GRAM or len(of_gold) < GRAM or not _align(of_page, of_gold, place, used):
            break
    ends = np.cumsum(counts, dtype=np.int64)
    labels = np.full(len(blocks), -1.0, np.float32)
    _label(of_page, of_gold, place, used, ends - counts, ends, labels)
    return counts, labels


def _align(page: NDArray[np.int64], gold: NDArray[np.int64], place: NDArray[np.int64], used: NDArray[np.bool_]) -> bool:
    """Aligns what is not aligned yet along the longest chain; returns whether that was anything."""
    page_grams, gold_grams = _grams(page, place >= 0), _grams(gold, used)
    order = np.argsort(gold_grams, kind="stable")
    ordered = gold_grams[order]
    first = np.searchsorted(ordered, page_grams, "left")
    last = np.minimum(np.searchsorted(ordered, page_grams, "right"), first + _MOST_PLACES)
    last[page_grams < 0] = first[page_grams < 0]
    at_page, at_gold = _pairs(first, last, order)
    if len(at_page) == 0:
        return False
    _mark_chain(at_page, at_gold, place, used)
    return True


def _grams(tokens: NDArray[np.int64], taken: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for the 3-gram at each place; a negative one where a token of it is taken or not in the gold text."""
    free = np.where(taken, -1, tokens)
    parts = [free[offset : len(free) - GRAM + 1 + offset] for offset in range(GRAM)]
    grams = (parts[0] * 1_000_003 + parts[1]) * 1_000_003 + parts[2]
    return np.where(np.minimum.reduce(parts) < 0, -1 - np.arange(len(grams)), grams)


@njit(cache=True)
def _pairs(
    first: NDArray[np.int64], last: NDArray[np.int64], order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of places with the same 3-gram, by place in the page, then by place in the gold backwards."""
    count = 0
    for index in range(len(first)):
        count += max(0, last[index] - first[index])
    at_page, at_gold = np.empty(count, np.int64), np.empty(count, np.int64)
    written = 0
    for index in range(len(first)):
        for row in range(last[index] - 1, first[index] - 1, -1):
            at_page[written], at_gold[written] = index, order[row]
            written += 1
    return at_page, at_gold


@njit(cache=True)
def _mark_chain(
    at_page: NDArray[np.int64], at_gold: NDArray[np.int64], place: NDArray[np.int64], used: NDArray[np.bool_]
) -> None:
    """The longest chain of pairs that rises in both (patience sorting), written into ``place`` and ``used``."""
    tails = np.empty(len(at_gold), np.int64)  # the pair that ends the best chain of each length
    before = np.empty(len(at_gold), np.int64)
    longest = 0
    for pair in range(len(at_gold)):
        low, high = 0, longest
        while low < high:
            middle = (low + high) // 2
            if at_gold[tails[middle]] < at_gold[pair]:
                low = middle + 1
            else:
                high = middle
        before[pair] = tails[low - 1] if low else -1
        tails[low] = pair
        longest = max(longest, low + 1)
    pair = tails[longest - 1]
    while pair >= 0:
        for offset in range(GRAM):
            page, gold = at_page[pair] + offset, at_gold[pair] + offset
            if place[page] < 0 and not used[gold]:
                place[page] = gold
                used[gold] = True
        pair = before[pair]


@njit(cache=True)
def _label(
    page: NDArray[np.int64],
    gold: NDArray[np.int64],
    place: NDArray[np.int64],
    used: NDArray[np.bool_],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    labels: NDArray[np.float32],
) -> None:
    for block in range(len(starts)):
        start, end = starts[block], ends[block]
        if start == end:
            continue
        aligned = 0
        for token in range(start, end):
            aligned += place[token] >= 0
        if aligned or end - start > GRAM:
            labels[block] = aligned / (end - start)
            continue
        previous, following = start - 1, end
        while previous >= 0 and place[previous] < 0:
            previous -= 1
        while following < len(page) and place[following] < 0:
            following += 1
        low = place[previous] + 1 if previous >= 0 else 0
        high = place[following] if following < len(page) else len(gold)
        if not 0 < high - low <= _WIDEST_GAP:
            labels[block] = 0.0
            continue
        for token in range(start, end):
            for at in range(low, high):
                if gold[at] == page[token] and not used[at]:
                    aligned += 1
                    used[at] = True
                    break
        labels[block] = aligned / (end - start) if aligned == end - start or aligned == 0 else -1.0
