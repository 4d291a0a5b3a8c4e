"""Text of a page into the buffer: spaces between words, line ends, the ends of blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.columns import (
    ELEMENT,
    ELEMENT_TAG,
    END,
    KIND,
    LINK_BYTES,
    LINKS,
    PARENT,
    PLAIN,
    START,
    VERBATIM,
)
from pipeline.extraction.elements import BLOCK, HABITS, kernel
from pipeline.extraction.markup import put_character, read_reference
from pipeline.extraction.tree import (
    BLOCK_START,
    BLOCKS,
    BREAKS,
    GAP,
    LINK,
    LINK_COUNT,
    LINKED,
    PRE,
    SKIP,
    SPACE,
    TEXT,
    TOP,
    Tree,
)


@kernel
def read_text(source: NDArray[np.uint8], at: int, end: int, tree: Tree) -> int:
    """Reads text up to the next ``<`` after the first byte into the buffer; returns where it stopped."""
    state = tree.state
    if state[SKIP]:
        at += 1
        while at < end and source[at] != 60:
            at += 1
        return at
    if state[PRE]:
        return _verbatim(source, at, end, tree)
    while at < end and source[at] <= 32:
        state[SPACE] = 1
        at += 1
    if at == end or (
        source[at] == 60 and state[SPACE] and at + 1 < end and source[at + 1] > 32 and _is_markup(source[at + 1])
    ):
        return at
    text, place, gap = tree.text, state[TEXT], state[SPACE] or state[BREAKS]
    first, linked = at, 0  # a "<" that is no markup may be the first byte
    while at < end and (source[at] != 60 or at == first):
        byte = source[at]
        if byte <= 32 or (byte == 0xC2 and at + 1 < end and source[at + 1] == 0xA0):
            at += 2 if byte == 0xC2 else 1
            state[SPACE] = gap = 1
            continue
        code, code2, after = np.int64(byte), 0, at + 1
        if byte == 38:
            code, code2, after = read_reference(source, at, end)
            if code <= 32 or code == 0xA0:
                state[SPACE] = gap = 1
                at = after
                continue
        if gap:
            state[TEXT] = place
            put_break(tree)
            linked += linked > 0 and state[TEXT] > place  # the space within a link's text
            place, gap = state[TEXT], 0
        before = place
        if byte == 38:
            place = put_character(text, place, code)
            if code2:
                place = put_character(text, place, code2)
        else:
            text[place] = byte
            place += 1
            while after < end and source[after] > 32 and _is_plain(source[after]):
                text[place] = source[after]
                place += 1
                after += 1
        linked += place - before
        at = after
    state[TEXT] = place
    if state[LINK]:
        state[LINKED] += linked
    return at


@kernel
def _is_plain(byte: int) -> bool:
    """Whether a byte cannot begin markup, a reference or a no-break space."""
    return byte != 60 and byte != 38 and byte != 0xC2


@kernel
def _is_markup(byte: int) -> bool:
    """Whether a ``<`` before this byte begins markup."""
    return 97 <= (byte | 32) <= 122 or byte == 47 or byte == 33 or byte == 63


@kernel
def put_break(tree: Tree) -> None:
    """Writes what stands between the text so far and the next: a space, a line end, or the end of the block."""
    state = tree.state
    if state[BREAKS] >= 2:
        end_block(tree)
    elif state[TEXT] > state[BLOCK_START]:
        tree.text[state[TEXT]] = 10 if state[BREAKS] else 32
        state[TEXT] += 1
    state[SPACE] = state[BREAKS] = 0


@kernel
def _verbatim(source: NDArray[np.uint8], at: int, end: int, tree: Tree) -> int:
    """Text inside ``pre``, as it is but for carriage returns, no-break spaces and references."""
    state, text = tree.state, tree.text
    first = True
    while at < end and (first or source[at] != 60):
        first = False
        byte = source[at]
        if byte == 38:
            code, code2, at = read_reference(source, at, end)
            state[TEXT] = put_character(text, state[TEXT], 32 if code == 0xA0 else 10 if code == 13 else code)
            if code2:
                state[TEXT] = put_character(text, state[TEXT], code2)
            continue
        if byte == 13:
            byte = np.uint8(10)
            at += at + 1 < end and source[at + 1] == 10
        elif byte == 0xC2 and at + 1 < end and source[at + 1] == 0xA0:
            byte = np.uint8(32)
            at += 1
        if byte != 10 or state[TEXT] > state[BLOCK_START]:
            text[state[TEXT]] = byte
            state[TEXT] += 1
        at += 1
    return at


@kernel
def break_block(tree: Tree) -> None:
    """A block element begins or ends here: the block ends, or inside ``pre`` the line."""
    state = tree.state
    if not state[PRE]:
        end_block(tree)
    elif state[TEXT] > state[BLOCK_START] and tree.text[state[TEXT] - 1] != 10:
        tree.text[state[TEXT]] = 10
        state[TEXT] += 1


@kernel
def end_block(tree: Tree) -> None:
    state, text = tree.state, tree.text
    start, end = state[BLOCK_START], state[TEXT]
    while end > start and text[end - 1] <= 32:
        end -= 1
    if end > start:
        if state[PRE]:
            start = _first_line(text, start)
        element = tree.stack[max(0, state[TOP])]
        while not HABITS[tree.elements[element, ELEMENT_TAG]] & BLOCK:
            element = tree.elements[element, PARENT]
        row = tree.blocks[state[BLOCKS]]
        row[START], row[END], row[ELEMENT] = start, end, element
        row[LINK_BYTES], row[LINKS] = min(state[LINKED], end - start), state[LINK_COUNT]
        row[KIND] = VERBATIM if state[PRE] else PLAIN
        state[BLOCKS] += 1
        text[end : end + GAP] = 0
        state[TEXT] = state[BLOCK_START] = end + GAP
    else:
        state[TEXT] = start
    state[SPACE] = state[BREAKS] = state[LINKED] = 0
    state[LINK_COUNT] = 1 if state[LINK] else 0


@kernel
def _first_line(text: NDArray[np.uint8], start: int) -> int:
    """Where the first line begins that is not blank."""
    at = start
    while text[at] <= 32:
        if text[at] == 10:
            start = at + 1
        at += 1
    return start
