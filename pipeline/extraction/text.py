"""Chosen blocks to text: light Markdown that stays close to plain text, or plain text.

Markdown has marks for headings, list items, quotes, rows of tables and verbatim text; nothing is escaped, and links
and emphasis are their words. In plain text the blocks stand one below the other. A heading that only repeats the one
just before it is left out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

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
    WORDS,
    WORDS_END,
)
from pipeline.extraction.elements import TAG, hash_of, kernel
from pipeline.extraction.tree import Tree, heading_level

_H1, _H6, _LI, _UL, _OL, _QUOTE, _TABLE = (TAG[name] for name in ["h1", "h6", "li", "ul", "ol", "blockquote", "table"])
_NEWLINE, _SPACE, _HASH, _DASH, _DOT, _QUOTE_MARK, _PIPE, _TICK = 10, 32, 35, 45, 46, 62, 124, 96
_DEEPEST_LIST: Final = 9
_DEEPEST_QUOTE: Final = 3
_WIDEST_ITEM: Final = 4  # bytes of the mark of an item, as far as what stands in it is indented
_WIDEST_MARKS: Final = 64  # bytes before a line
_POST_CONTENT: Final = np.uint32(hash_of("postcontent") >> 32)  # of a quote that is none, but a forum's post
_ROOM: Final = 160  # bytes of marks around one block, a table's rule and the marks of its further lines apart


def render(tree: Tree, chosen: NDArray[np.bool_], markdown: bool = True) -> tuple[str, NDArray[np.int32]]:
    """The text of the chosen blocks, in the page's order, and for each block before which of its lines it stands."""
    pipes, breaks = int(np.count_nonzero(tree.text == _PIPE)), int(np.count_nonzero(tree.text == _NEWLINE))
    out = np.empty(len(tree.text) + _ROOM * int(chosen.sum()) + 8 * pipes + _WIDEST_MARKS * breaks + 64, np.uint8)
    lines = np.empty(len(chosen), np.int32)
    size = _render(tree, chosen, markdown, out, np.zeros(len(tree.elements), np.int8), lines)
    return out[:size].tobytes().decode("utf-8", "replace"), lines


@kernel
def _render(
    tree: Tree,
    chosen: NDArray[np.bool_],
    markdown: bool,
    out: NDArray[np.uint8],
    marked: NDArray[np.int8],
    lines: NDArray[np.int32],
) -> int:
    """Writes the text; ``marked`` keeps how wide the marks of list items are, 0 for none yet. Returns the number of
    bytes."""
    at, before = 0, -1  # the block that was written last
    line_number, counted = 0, 0
    for block in range(len(chosen)):
        while counted < at:
            line_number += out[counted] == _NEWLINE or counted == 0
            counted += 1
        lines[block] = line_number
        if not chosen[block] or (before >= 0 and _repeats_heading(tree, before, block)):
            continue
        if before >= 0:
            at = _part(tree, before, block, markdown, out, at, marked)
        if not markdown:
            at = _copy(tree, block, out, at, at, tree.blocks[block, KIND] == ROW)
        elif tree.blocks[block, KIND] == VERBATIM:
            at = _put_fenced(tree, block, out, at)
        elif tree.blocks[block, KIND] == ROW:
            at = _put_row(tree, before, block, out, at)
        else:
            line, heading = at, heading_level(tree, block)
            at = _put_marks(tree, block, heading, out, at, marked)
            at = _copy(tree, block, out, at, line, heading > 0)
        before = block
    return at


@kernel
def _part(
    tree: Tree, before: int, block: int, markdown: bool, out: NDArray[np.uint8], at: int, marked: NDArray[np.int8]
) -> int:
    """Line ends between two blocks: one between the rows of a table or before the next item of a list, else two."""
    out[at] = _NEWLINE
    at += 1
    if not markdown:
        return at
    first, second = tree.blocks[before, ELEMENT], tree.blocks[block, ELEMENT]
    rows = tree.blocks[before, KIND] == ROW and tree.blocks[block, KIND] == ROW
    if rows and _table_of(tree, first) == _table_of(tree, second):
        return at
    one, other = _around(tree, first, _LI), _around(tree, second, _LI)
    if one > 0 and other > 0 and one != other and not marked[other] and tree.blocks[before, KIND] != VERBATIM:
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
def _repeats_heading(tree: Tree, before: int, block: int) -> bool:
    """Whether two blocks are headings of the same words, as a forum has them above a thread and its first post."""
    first, second = tree.blocks[before, START], tree.blocks[block, START]
    size = tree.blocks[block, END] - second
    if tree.blocks[before, END] - first != size:
        return False
    for place in range(size):
        if tree.text[first + place] != tree.text[second + place]:
            return False
    return heading_level(tree, before) > 0 and heading_level(tree, block) > 0


@kernel
def _copy(tree: Tree, block: int, out: NDArray[np.uint8], at: int, line: int, one_line: bool) -> int:
    """The text of a block after its marks, which begin at ``line``: quotes are marked on each of its lines, and what
    stands in a list is indented."""
    marks = at - line
    for place in range(tree.blocks[block, START], tree.blocks[block, END]):
        byte = tree.text[place]
        if byte:
            out[at] = _SPACE if one_line and byte == _NEWLINE else byte
            at += 1
            if byte == _NEWLINE and not one_line:
                for mark in range(line, line + marks):
                    out[at] = _QUOTE_MARK if out[mark] == _QUOTE_MARK else _SPACE
                    at += 1
    return at


@kernel
def _put_marks(tree: Tree, block: int, heading: int, out: NDArray[np.uint8], at: int, marked: NDArray[np.int8]) -> int:
    """The marks of the quotes and lists around a block, outermost first, and a heading's. An item is marked once; what
    follows in it is indented."""
    end = start = at + _WIDEST_MARKS
    if heading:
        start -= heading + 1
        out[start : end - 1], out[end - 1] = _HASH, _SPACE
    element, in_item, lists, quotes = np.int64(tree.blocks[block, ELEMENT]), False, 0, 0
    while element >= 0:
        tag = tree.elements[element, ELEMENT_TAG]
        if tag == _LI and not heading:
            if in_item:
                start = _indent(out, start, marked[element] - 2 if lists < _DEEPEST_LIST else 0)
            elif marked[element]:
                start = _indent(out, start, marked[element])
            else:
                mark_end, start = start, _put_item(tree, element, out, start)
                marked[element] = mark_end - start
            in_item = True
        elif (tag == _UL or tag == _OL) and in_item:
            lists += 1
            start = _indent(out, start, 2 if 1 < lists <= _DEEPEST_LIST else 0)
        elif tag == _QUOTE and quotes < _DEEPEST_QUOTE and not _is_post(tree, element):
            quotes += 1
            start -= 2
            out[start], out[start + 1] = _QUOTE_MARK, _SPACE
        element = np.int64(tree.elements[element, PARENT])
    for place in range(start, end):
        out[at] = out[place]
        at += 1
    return at


@kernel
def _is_post(tree: Tree, element: int) -> bool:
    for word in range(tree.elements[element, WORDS], tree.elements[element, WORDS_END]):
        if tree.words[word] == _POST_CONTENT:
            return True
    return False


@kernel
def _indent(out: NDArray[np.uint8], end: int, width: int) -> int:
    """Writes spaces that end at a place, and returns where they start."""
    for _ in range(min(width, _WIDEST_ITEM)):
        end -= 1
        out[end] = _SPACE
    return end


@kernel
def _put_item(tree: Tree, item: int, out: NDArray[np.uint8], end: int) -> int:
    """Writes the mark of a list's item so that it ends at a place, and returns where it starts."""
    out[end - 1] = _SPACE
    if tree.elements[tree.elements[item, PARENT], ELEMENT_TAG] != _OL:
        out[end - 2] = _DASH
        return end - 2
    out[end - 2] = _DOT
    start, number = end - 2, tree.elements[item, ORDER]
    while True:
        start -= 1
        out[start] = 48 + number % 10
        number //= 10
        if number == 0:
            return start


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
    at = _copy(tree, block, out, at + 1, at + 1, False)
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
    first = before < 0 or tree.blocks[before, KIND] != ROW or _table_of(tree, tree.blocks[before, ELEMENT]) != table
    out[at], out[at + 1] = _PIPE, _SPACE
    start = at
    at = _copy(tree, block, out, at + 2, at + 2, True)
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
