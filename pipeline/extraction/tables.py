"""Rows of data tables: the blocks of a row become one block, its cells parted by pipes.

A table holds data where it has header cells, or where all its cells are short; a table around other tables or around
listings is layout, and its cells stay blocks of their own.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.extraction.columns import (
    ELEMENT,
    ELEMENT_TAG,
    END,
    FIRST,
    FLAGS,
    HAS_HEADER,
    HAS_TABLE,
    HAS_VERBATIM,
    KIND,
    LAST,
    LINK_BYTES,
    LINKS,
    PARENT,
    ROW,
    START,
)
from pipeline.extraction.elements import TAG

_TABLE, _TR, _TD, _TH = (TAG[name] for name in ["table", "tr", "td", "th"])
_LONGEST_CELL: Final = 1000  # bytes, in a table with header cells
_LONGEST_BARE_CELL: Final = 200  # in one without
_FEWEST_BARE_ROWS: Final = 3


@njit(cache=True, nogil=True)
def join_rows(text: NDArray[np.uint8], blocks: NDArray[np.int32], elements: NDArray[np.int32], count: int) -> int:
    """Joins the blocks of each row of the data tables, in place; returns how many blocks there are then.

    The bytes between two cells become `` | ``; the elements' FIRST and LAST follow.
    """
    around = _table_parts(elements)
    is_data = _data_tables(blocks, elements, around, count)
    number = np.empty(count + 1, np.int32)  # the new number of each block
    written, cell_before = 0, -1
    for block in range(count):
        _, row, cell = around[blocks[block, ELEMENT]]
        in_data = row >= 0 and cell >= 0 and is_data[around[row, 0]]
        if in_data and written and blocks[written - 1, ELEMENT] == row:
            _append(text, blocks, written - 1, block, cell != cell_before)
        else:
            blocks[written] = blocks[block]
            if in_data:
                blocks[written, ELEMENT] = row
            written += 1
        number[block] = written - 1
        cell_before = cell
    number[count] = written
    for element in range(len(elements)):
        first, last = elements[element, FIRST], elements[element, LAST]
        elements[element, FIRST] = number[first]
        elements[element, LAST] = number[last - 1] + 1 if last > first else number[first]
    return written


@njit(cache=True, nogil=True)
def _append(text: NDArray[np.uint8], blocks: NDArray[np.int32], row: int, block: int, new_cell: bool) -> None:
    end = blocks[row, END]
    text[end] = 32
    if new_cell:
        text[end + 1], text[end + 2] = 124, 32  # |
        blocks[row, KIND] = ROW
    blocks[row, END] = blocks[block, END]
    blocks[row, LINK_BYTES] += blocks[block, LINK_BYTES]
    blocks[row, LINKS] += blocks[block, LINKS]


@njit(cache=True, nogil=True)
def _table_parts(elements: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each element the table, row and cell that it stands in or is, -1 where there is none."""
    around = np.full((len(elements), 3), -1, np.int32)
    for element in range(1, len(elements)):
        around[element] = around[elements[element, PARENT]]
        tag = elements[element, ELEMENT_TAG]
        if tag == _TABLE:
            around[element, 0] = element
            around[element, 1:] = -1
        elif tag == _TR and around[element, 0] >= 0:
            around[element, 1] = element
            around[element, 2] = -1
        elif (tag == _TD or tag == _TH) and around[element, 1] >= 0:
            around[element, 2] = element
    return around


@njit(cache=True, nogil=True)
def _data_tables(
    blocks: NDArray[np.int32], elements: NDArray[np.int32], around: NDArray[np.int32], count: int
) -> NDArray[np.bool_]:
    """Which elements are tables of data."""
    cells = np.zeros(len(elements), np.int32)  # with text, of a row
    wide_rows = np.zeros(len(elements), np.int32)  # with two cells or more, of a table
    longest = np.zeros(len(elements), np.int32)  # cell of a table, in bytes
    cell_before, start = -1, 0
    for block in range(count):
        table, row, cell = around[blocks[block, ELEMENT]]
        if cell < 0:
            cell_before = -1
            continue
        if cell != cell_before:
            cells[row] += 1
            wide_rows[table] += cells[row] == 2
            cell_before, start = cell, blocks[block, START]
        longest[table] = max(longest[table], blocks[block, END] - start)
    is_data = np.zeros(len(elements), np.bool_)
    for element in range(len(elements)):
        flags = elements[element, FLAGS]
        if elements[element, ELEMENT_TAG] != _TABLE or flags & (HAS_TABLE | HAS_VERBATIM):
            continue
        if flags & HAS_HEADER:
            is_data[element] = wide_rows[element] >= 1 and longest[element] <= _LONGEST_CELL
        else:
            is_data[element] = wide_rows[element] >= _FEWEST_BARE_ROWS and longest[element] <= _LONGEST_BARE_CELL
    return is_data
