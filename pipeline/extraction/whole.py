"""Tables and listings are kept whole or not at all, and what stands set apart within chosen text goes with it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.columns import (
    ELEMENT,
    ELEMENT_TAG,
    END,
    FIRST,
    FLAGS,
    HAS_HEADER,
    HAS_TABLE,
    KIND,
    LAST,
    PARENT,
    ROW,
    START,
    VERBATIM,
)
from pipeline.extraction.elements import TAG, kernel
from pipeline.extraction.tree import Tree, has_lines

_TABLE: Final = TAG["table"]
# Mean probabilities from which they are kept though the choice left them out. On sites that a model has not seen the
# scores of both are too low: to keep them there costs no F1.
_LIKELY_TABLE: Final = 0.03  # with header cells
_LIKELY_LISTING: Final = 0.2  # of two lines or more
_DOLLAR = 36


@kernel
def keep_whole(tree: Tree, probabilities: NDArray[np.float32], chosen: NDArray[np.bool_]) -> None:
    """Makes each data table chosen whole or not at all, and adds the listings and formulas that go with what is chosen.

    A table is kept where most of its text is chosen, and with header cells also where it is not quite unlikely, as are
    listings of two lines or more. Those and formulas on their own are kept where the text around them is.
    """
    _keep_tables(tree, probabilities, chosen)
    _keep_set_apart(tree, probabilities, chosen)


@kernel
def _keep_tables(tree: Tree, probabilities: NDArray[np.float32], chosen: NDArray[np.bool_]) -> None:
    for table in range(len(tree.elements)):
        first, last, flags = tree.elements[table, FIRST], tree.elements[table, LAST], tree.elements[table, FLAGS]
        if tree.elements[table, ELEMENT_TAG] != _TABLE or flags & HAS_TABLE:
            continue
        size, chosen_size, likely_size, rows = 0, 0, 0.0, 0
        for block in range(first, last):
            length = tree.blocks[block, END] - tree.blocks[block, START]
            size += length
            chosen_size += length * chosen[block]
            likely_size += length * probabilities[block]
            rows += tree.blocks[block, KIND] == ROW
        if rows:
            likely = flags & HAS_HEADER > 0 and likely_size >= _LIKELY_TABLE * size
            chosen[first:last] = likely or 2 * chosen_size >= size


@kernel
def _keep_set_apart(tree: Tree, probabilities: NDArray[np.float32], chosen: NDArray[np.bool_]) -> None:
    """Keeps likely listings, and runs of listings and formulas between chosen blocks."""
    first, count = 0, len(chosen)
    while first < count:
        last = first
        while last < count and not chosen[last] and _is_set_apart(tree, last):
            chosen[last] = tree.blocks[last, KIND] == VERBATIM and probabilities[last] >= _LIKELY_LISTING
            last += not chosen[last]
        if last > first and _is_amid(tree, chosen, first, last):
            chosen[first:last] = True
        first = last + 1


@kernel
def _is_amid(tree: Tree, chosen: NDArray[np.bool_], first: int, last: int) -> bool:
    """Whether the text before and after some blocks is chosen, as far as there is any in the innermost element that
    holds more than them."""
    element = np.int64(tree.blocks[first, ELEMENT])
    while element > 0 and tree.elements[element, FIRST] >= first and tree.elements[element, LAST] <= last:
        element = np.int64(tree.elements[element, PARENT])
    before, after = first > tree.elements[element, FIRST], last < tree.elements[element, LAST]
    return (before or after) and (not before or chosen[first - 1]) and (not after or chosen[last])


@kernel
def _is_set_apart(tree: Tree, block: int) -> bool:
    """Whether a block is a listing of two lines or more, or a formula."""
    start, end = tree.blocks[block, START], tree.blocks[block, END]
    if tree.blocks[block, KIND] == VERBATIM:
        return has_lines(tree.text, tree.blocks[block])
    closed = 0
    for place in range(max(start + 1, end - 3), end):
        closed += tree.text[place] == _DOLLAR
    return tree.text[start] == _DOLLAR and closed > 0
