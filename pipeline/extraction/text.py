"""Chosen blocks to text: light Markdown that stays close to plain text, or plain text.

Markdown has marks for headings, list items, quotes, rows of tables and verbatim text; nothing is escaped, and links
and emphasis are their words. In plain text the blocks stand one below the other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.blocks import Tree
from pipeline.extraction.columns import (
    ELEMENT,
    ELEMENT_TAG,
    END,
    FLAGS,
    HAS_HEADER,
    KIND,
    ORDER,
    PARENT,
    ROW,
    START,
    VERBATIM,
)
from pipeline.extraction.elements import TAG, kernel

_H1, _H6, _LI, _UL, _OL, _QUOTE, _TABLE = (TAG[name] for name in ["h1", "h6", "li", "ul", "ol", "blockquote", "table"])
_NEWLINE, _SPACE, _HASH, _DASH, _DOT, _QUOTE_MARK, _PIPE, _TICK = 10, 32, 35, 45, 46, 62, 124, 96
_DEEPEST_LIST: Final = 8
_ROOM: Final = 160  # bytes of marks around one block, a table's rule apart


def render(tree: Tree, chosen: NDArray[np.bool_], markdown: bool = True) -> str:
    """The text of the chosen blocks, in the page's order."""
    pipes = int(np.count_nonzero(tree.text == _PIPE))
    out = np.empty(len(tree.text) + _ROOM * int(chosen.sum()) + 8 * pipes + 64, np.uint8)
    size = _render(tree, chosen, markdown, out, np.zeros(len(tree.elements), np.bool_))
    return out[:size].tobytes().decode("utf-8", "replace")


@kernel
def _render(
    tree: Tree,
    chosen: NDArray[np.bool_],
    markdown: bool,
    out: NDArray[np.uint8],
    marked: NDArray[np.bool_],
) -> int:
    """Writes the text; ``marked`` keeps which list items have their mark. Returns the number of bytes."""
    at, before = 0, -1  # the block that was written last
    for block in range(len(chosen)):
        if not chosen[block]:
            continue
        if before >= 0:
            at = _part(tree, before, block, markdown, out, at)
        if not markdown:
            at = _copy(tree, block, out, at)
        elif tree.blocks[block, KIND] == VERBATIM:
            at = _put_fenced(tree, block, out, at)
        elif tree.blocks[block, KIND] == ROW:
            at = _put_row(tree, before, block, out, at)
        else:
            at = _put_marks(tree, block, out, at, marked)
            at = _copy(tree, block, out, at)
        before = block
    return at


@kernel
def _part(tree: Tree, before: int, block: int, markdown: bool, out: NDArray[np.uint8], at: int) -> int:
    """Line ends between two blocks: one within a table or a list, else a blank line."""
    out[at] = _NEWLINE
    at += 1
    if not markdown:
        return at
    first, second = tree.blocks[before, ELEMENT], tree.blocks[block, ELEMENT]
    rows = tree.blocks[before, KIND] == ROW and tree.blocks[block, KIND] == ROW
    if rows and _table_of(tree, first) == _table_of(tree, second):
        return at
    one, other = _around(tree, first, _LI), _around(tree, second, _LI)
    if one > 0 and other > 0 and one != other and tree.blocks[before, KIND] != VERBATIM:
        return at
    out[at] = _NEWLINE
    return at + 1


@kernel
def _around(tree: Tree, element: int, tag: int) -> int:
    """The innermost element of a tag that is or holds an element, -1 where there is none."""
    while element >= 0 and tree.elements[element, ELEMENT_TAG] != tag:
        element = tree.elements[element, PARENT]
    return np.int64(element)


@kernel
def _table_of(tree: Tree, element: int) -> int:
    return _around(tree, element, _TABLE)


@kernel
def _copy(tree: Tree, block: int, out: NDArray[np.uint8], at: int) -> int:
    one_line = tree.blocks[block, KIND] == ROW
    for place in range(tree.blocks[block, START], tree.blocks[block, END]):
        byte = tree.text[place]
        if byte:
            out[at] = _SPACE if one_line and byte == _NEWLINE else byte
            at += 1
    return at


@kernel
def _put_marks(tree: Tree, block: int, out: NDArray[np.uint8], at: int, marked: NDArray[np.bool_]) -> int:
    """A heading's, quote's or list item's mark. An item is marked once; what follows in it is indented."""
    element = np.int64(tree.blocks[block, ELEMENT])
    item, lists, heading, quotes = -1, 0, 0, 0
    while element >= 0:
        tag = tree.elements[element, ELEMENT_TAG]
        if _H1 <= tag <= _H6 and not heading:
            heading = tag - _H1 + 1
        elif tag == _LI and item < 0:
            item = element
        elif tag == _UL or tag == _OL:
            lists += 1
        elif tag == _QUOTE:
            quotes += 1
        element = np.int64(tree.elements[element, PARENT])
    for _ in range(min(quotes, 3)):
        out[at], out[at + 1] = _QUOTE_MARK, _SPACE
        at += 2
    if item >= 0 and not heading:
        for _ in range(2 * min(max(0, lists - 1), _DEEPEST_LIST)):
            out[at] = _SPACE
            at += 1
        at = _put_item(tree, item, marked[item], out, at)
        marked[item] = True
    for level in range(heading):
        out[at] = _HASH
        out[at + 1] = _SPACE
        at += 1 + (level == heading - 1)
    return at


@kernel
def _put_item(tree: Tree, item: int, is_marked: bool, out: NDArray[np.uint8], at: int) -> int:
    if is_marked:
        out[at] = out[at + 1] = _SPACE
        return at + 2
    if tree.elements[tree.elements[item, PARENT], ELEMENT_TAG] == _OL:
        number, power = tree.elements[item, ORDER], 1
        while number >= 10 * power:
            power *= 10
        while power:
            out[at] = 48 + number // power % 10
            power //= 10
            at += 1
        out[at] = _DOT
    else:
        out[at] = _DASH
    out[at + 1] = _SPACE
    return at + 2


@kernel
def _put_fenced(tree: Tree, block: int, out: NDArray[np.uint8], at: int) -> int:
    """Verbatim text between fences that are longer than any run of backticks in it."""
    ticks = longest = 0
    for place in range(tree.blocks[block, START], tree.blocks[block, END]):
        ticks = ticks + 1 if tree.text[place] == _TICK else 0
        longest = max(longest, ticks)
    fence = max(3, min(longest + 1, 60))
    for _ in range(fence):
        out[at] = _TICK
        at += 1
    out[at] = _NEWLINE
    at = _copy(tree, block, out, at + 1)
    out[at] = _NEWLINE
    at += 1
    for _ in range(fence):
        out[at] = _TICK
        at += 1
    return at


@kernel
def _put_row(tree: Tree, before: int, block: int, out: NDArray[np.uint8], at: int) -> int:
    """A row between pipes, and below the first row of a table with header cells the rule that Markdown asks for."""
    table = _table_of(tree, tree.blocks[block, ELEMENT])
    first = before < 0 or _table_of(tree, tree.blocks[before, ELEMENT]) != table
    out[at], out[at + 1] = _PIPE, _SPACE
    start = at
    at = _copy(tree, block, out, at + 2)
    out[at], out[at + 1] = _SPACE, _PIPE
    at += 2
    if not first or not tree.elements[table, FLAGS] & HAS_HEADER:
        return at
    pipes = 0
    for place in range(start, at):
        pipes += out[place] == _PIPE
    out[at], out[at + 1] = _NEWLINE, _PIPE
    at += 2
    for _ in range(pipes - 1):
        out[at], out[at + 1], out[at + 2], out[at + 3], out[at + 4], out[at + 5] = 32, 45, 45, 45, 32, _PIPE
        at += 6
    return at
