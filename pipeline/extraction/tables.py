"""Rows of data tables: the blocks of a row become one block, its cells parted by pipes.

A table holds data where it has header cells, or where all its cells are short; a table around other tables or around
listings is layout, and its cells stay blocks of their own. A table with header cells keeps its empty cells, and there
only a row with a listing stays apart.
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
    IS_HIDDEN,
    KIND,
    LAST,
    LINK_BYTES,
    LINKS,
    PARENT,
    PLAIN,
    ROW,
    START,
    VERBATIM,
)
from pipeline.extraction.elements import TAG
from pipeline.extraction.tree import has_lines

CELL_ROOM: Final = 2  # bytes that are free before each cell, for the mark of an empty one
_TABLE, _TR, _TD, _TH = (TAG[name] for name in ["table", "tr", "td", "th"])
_LONGEST_CELL: Final = 1000  # bytes, in a table with header cells
_LONGEST_BARE_CELL: Final = 200  # in one without
_FEWEST_ROWS: Final = 2  # of two cells or more, in a table with header cells
_FEWEST_BARE_ROWS: Final = 3  # in one without
_NEWLINE, _SPACE, _PIPE = 10, 32, 124

# What is known of each element: the table, row and cell that it stands in or is, -1 where there is none; and a cell's
# place in its row, from 1, or how many cells a row has.
_IN_TABLE, _IN_ROW, _IN_CELL, _PLACE = range(4)


@njit(cache=True, nogil=True)
def join_rows(
    text: NDArray[np.uint8], blocks: NDArray[np.int32], elements: NDArray[np.int32], count: int, size: int
) -> int:
    """Joins the blocks of each row of the data tables, in place; returns how many blocks there are then.

    ``size`` is that of the text. The bytes between two cells become `` | ``, with one more pipe for each empty cell;
    the elements' FIRST and LAST follow.
    """
    around = _table_parts(elements)
    is_data = _data_rows(text, blocks, elements, around, count)
    number = np.empty(count + 1, np.int32)  # the new number of each block
    empty = np.zeros((count, 2), np.int32)  # cells before and after the text of each row
    written, row_before, cell_before = 0, -1, -1
    for block in range(count):
        table, row, cell, _ = around[blocks[block, ELEMENT]]
        in_data = cell >= 0 and row >= 0 and is_data[row]
        has_header = in_data and elements[table, FLAGS] & HAS_HEADER > 0
        if in_data and row == row_before:
            apart = around[cell, _PLACE] - around[cell_before, _PLACE] if has_header else 1
            _append(text, blocks, written - 1, block, max(1, apart) if cell != cell_before else 0)
        else:
            blocks[written] = blocks[block]
            if in_data:
                goes_on = (
                    row_before >= 0 and around[row_before, _IN_TABLE] == table and blocks[written - 1, KIND] == ROW
                )
                is_row = has_header and (goes_on or around[row, _PLACE] > 1)  # else it is like a caption
                blocks[written, ELEMENT], blocks[written, KIND] = row, ROW if is_row else PLAIN
                empty[written, 0] = around[cell, _PLACE] - 1
            written += 1
        if has_header:
            empty[written - 1, 1] = around[row, _PLACE] - around[cell, _PLACE]
        number[block] = written - 1
        row_before, cell_before = row if in_data else -1, cell
    number[count] = written
    _mark_empty(text, blocks[:written], empty, size)
    for element in range(len(elements)):
        first, last = elements[element, FIRST], elements[element, LAST]
        elements[element, FIRST] = number[first]
        elements[element, LAST] = number[last - 1] + 1 if last > first else number[first]
    return written


@njit(cache=True, nogil=True)
def _append(text: NDArray[np.uint8], blocks: NDArray[np.int32], row: int, block: int, apart: int) -> None:
    """Joins a block to its row; ``apart`` is how many cells it comes after the one before it, 0 for the same."""
    end, start = blocks[row, END], blocks[block, START]
    text[end] = _SPACE
    for pipe in range(apart):
        place = end + 1 + 2 * pipe
        if place + 2 <= start:
            text[place], text[place + 1] = _PIPE, _SPACE
            blocks[row, KIND] = ROW
    blocks[row, END] = blocks[block, END]
    blocks[row, LINK_BYTES] += blocks[block, LINK_BYTES]
    blocks[row, LINKS] += blocks[block, LINKS]


@njit(cache=True, nogil=True)
def _mark_empty(text: NDArray[np.uint8], blocks: NDArray[np.int32], empty: NDArray[np.int32], size: int) -> None:
    """Marks the empty cells at both ends of the rows."""
    free = 0  # where the bytes before a block begin that belong to none
    for block in range(len(blocks)):
        start, end = blocks[block, START], blocks[block, END]
        for _ in range(empty[block, 0]):
            if start - CELL_ROOM >= free:
                start -= CELL_ROOM
                text[start], text[start + 1] = _PIPE, _SPACE
        limit = blocks[block + 1, START] if block + 1 < len(blocks) else size
        for _ in range(empty[block, 1]):
            if end + CELL_ROOM <= limit:
                text[end], text[end + 1] = _SPACE, _PIPE
                end += CELL_ROOM
        blocks[block, START], blocks[block, END] = start, end
        free = end


@njit(cache=True, nogil=True)
def _table_parts(elements: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each element what is known of it; see _IN_TABLE. Cells that are passed over have no place."""
    around = np.full((len(elements), 4), -1, np.int32)
    for element in range(1, len(elements)):
        around[element] = around[elements[element, PARENT]]
        tag = elements[element, ELEMENT_TAG]
        if tag == _TABLE:
            around[element, _IN_TABLE] = element
            around[element, _IN_ROW:] = -1
        elif tag == _TR and around[element, _IN_TABLE] >= 0:
            around[element, _IN_ROW] = element
            around[element, _IN_CELL], around[element, _PLACE] = -1, 0
        elif (tag == _TD or tag == _TH) and around[element, _IN_ROW] >= 0:
            row = around[element, _IN_ROW]
            around[row, _PLACE] += elements[element, FLAGS] & IS_HIDDEN == 0
            around[element, _IN_CELL], around[element, _PLACE] = element, around[row, _PLACE]
    return around


@njit(cache=True, nogil=True)
def _data_rows(
    text: NDArray[np.uint8],
    blocks: NDArray[np.int32],
    elements: NDArray[np.int32],
    around: NDArray[np.int32],
    count: int,
) -> NDArray[np.bool_]:
    """Which elements are rows of data."""
    cells = np.zeros(len(elements), np.int32)  # with text, of a row
    wide_rows = np.zeros(len(elements), np.int32)  # with two cells or more, of a table
    longest = np.zeros(len(elements), np.int32)  # cell of a table, in bytes
    listings = np.zeros(len(elements), np.bool_)  # in which tables and rows they are
    cell_before, start = -1, 0
    for block in range(count):
        table, row, cell, _ = around[blocks[block, ELEMENT]]
        if cell < 0:
            cell_before = -1
            continue
        if cell != cell_before:
            cells[row] += 1
            wide_rows[table] += cells[row] == 2
            cell_before, start = cell, blocks[block, START]
        longest[table] = max(longest[table], blocks[block, END] - start)
        if blocks[block, KIND] == VERBATIM and has_lines(text, blocks[block]):
            listings[table] = listings[row] = True
    is_data = np.zeros(len(elements), np.bool_)
    for element in range(len(elements)):
        tag, flags, table = elements[element, ELEMENT_TAG], elements[element, FLAGS], around[element, _IN_TABLE]
        if tag == _TABLE and not flags & HAS_TABLE:
            if flags & HAS_HEADER:
                is_data[element] = wide_rows[element] >= _FEWEST_ROWS and longest[element] <= _LONGEST_CELL
            elif not listings[element]:
                is_data[element] = wide_rows[element] >= _FEWEST_BARE_ROWS and longest[element] <= _LONGEST_BARE_CELL
        elif tag == _TR and table >= 0:
            is_data[element] = is_data[table] and not listings[element]
    return is_data
