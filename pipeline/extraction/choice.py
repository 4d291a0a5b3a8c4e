"""From the scores of a page's blocks to those that are its main text."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.extraction.columns import END, LINK_BYTES, START
from pipeline.extraction.describe import Page
from pipeline.extraction.elements import kernel
from pipeline.extraction.measures import TITLE_TOKENS, TOKENS
from pipeline.extraction.tree import heading_level
from pipeline.extraction.whole import keep_whole

_SURE: Final = 0.7  # a heading with nothing below it stays where its score is above
_BEFORE_TEXT: Final = 40  # blocks before the text in which its title is looked for
_LIKELY_TITLE: Final = 0.1
_TITLE_SHARE: Final = 0.8  # of a heading's words that stand in the page's title, if it is that title


@njit(cache=True, nogil=True)
def choose(page: Page, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which blocks are the main text: those with the best expected F1, tables and listings whole, no heading
    whose section was left out, and the page's title."""
    chosen = best_expected(probabilities, page.measures[:, TOKENS])
    if chosen.any():
        keep_whole(page.tree, probabilities, chosen)
        ranks = np.empty(len(chosen), np.int64)
        for block in range(len(ranks)):
            ranks[block] = heading_level(page.tree, block)
        before = chosen.copy()
        drop_bare_headings(page, ranks, probabilities, chosen, np.zeros(7, np.int64))
        if not chosen.any():  # a list of headings
            chosen = before
        add_title(page, ranks, probabilities, chosen)
    return chosen


@njit(cache=True, nogil=True)
def best_expected(probabilities: NDArray[np.float32], tokens: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The blocks whose text has the best expected F1: those with the highest probabilities, down to the place where
    2 * sum(p * n) / (sum(n) + sum over all blocks of p * n) is greatest, n being the tokens of a block."""
    chosen = np.zeros(len(probabilities), np.bool_)
    order = np.argsort(-probabilities, kind="mergesort")
    expected = 0.0
    for block in order:
        expected += np.float64(probabilities[block]) * tokens[block]
    taken, hits, best, end = 0.0, 0.0, -1.0, 0
    for place in range(len(order)):
        block = order[place]
        taken += tokens[block]
        hits += np.float64(probabilities[block]) * tokens[block]
        value = hits / (taken + expected + 1e-9)
        if value > best:
            best, end = value, place + 1
    chosen[order[:end]] = True
    return chosen


@kernel
def is_title(page: Page, block: int) -> bool:
    """Whether the block is what the page calls itself, or the greater part of that."""
    row = page.measures[block]
    return row[TITLE_TOKENS] >= _TITLE_SHARE * row[TOKENS] and 4 * row[TITLE_TOKENS] >= page.title_count > 0


@kernel
def drop_bare_headings(
    page: Page,
    ranks: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    chosen: NDArray[np.bool_],
    following: NDArray[np.int64],
) -> None:
    """Leaves out the headings of sections of which nothing was chosen. From the end, so that one over such headings
    alone goes too. ``following`` is room for the next heading of each rank."""
    count = len(chosen)
    next_chosen = count
    following[:] = count
    for back in range(count):
        block = count - 1 - back
        rank = ranks[block]
        if rank:
            end = count
            for higher in range(1, rank + 1):
                end = min(end, following[higher])
            bare = next_chosen >= end > block + 1
            if chosen[block] and bare and rank > 1 and probabilities[block] < _SURE and not is_title(page, block):
                chosen[block] = False
            following[rank] = block
        if chosen[block]:
            next_chosen = block


@kernel
def add_title(
    page: Page, ranks: NDArray[np.int64], probabilities: NDArray[np.float32], chosen: NDArray[np.bool_]
) -> None:
    """Adds the h1 before the text that is the page's title, where the text has none. Half of the pages that the model
    was trained on have no title in their main text, so its score is lower than its worth."""
    first = 0
    while first < len(chosen) and not chosen[first]:
        first += 1
    for block in range(first, len(chosen)):
        if chosen[block] and (is_title(page, block) or (block == first and ranks[block] == 1)):
            return
    for block in range(first - 1, max(-1, first - 1 - _BEFORE_TEXT), -1):
        row = page.tree.blocks[block]
        linked = 2 * row[LINK_BYTES] > row[END] - row[START]
        if ranks[block] == 1 and not linked and probabilities[block] >= _LIKELY_TITLE and is_title(page, block):
            chosen[block] = True
            return
