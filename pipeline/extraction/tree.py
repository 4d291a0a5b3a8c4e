"""What the pass over a page writes: its state, the text, and a row for each block and each block element.

A block is a run of text that no block element interrupts: its bytes lie in one buffer, block after block, with GAP zero
bytes after each.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.columns import ELEMENT, ELEMENT_TAG, END, PARENT, START
from pipeline.extraction.elements import TAG, kernel

_H1, _H6, _NEWLINE = TAG["h1"], TAG["h6"], 10
GAP: Final = 3  # room for what parts cells

# The state of the pass. PRE, SKIP and LINK are the depth of the element that opened them, 0 where none is open. From
# TAGS on it counts: start tags, those of links and images, inline elements that are open in the innermost block, the
# greatest depth, the most attributes of a tag.
(
    TEXT,
    BLOCKS,
    ELEMENTS,
    WORD,
    TOP,
    OVERFLOW,
    BLOCK_START,
    SPACE,
    BREAKS,
    LINK,
    LINK_END,
    LINKED,
    LINK_COUNT,
    PRE,
    SKIP,
    TEX_START,
    TEX_END,
    TITLE_START,
    TITLE_END,
    MATH_END,
    NOSCRIPTS,
    TAGS,
    LINK_TAGS,
    IMAGES,
    INLINE,
    DEEPEST,
    MOST_ATTRIBUTES,
) = range(27)
STATES: Final = MOST_ATTRIBUTES + 1


class Tree(NamedTuple):
    """See pipeline.extraction.columns for the rows."""

    state: NDArray[np.int64]
    text: NDArray[np.uint8]
    blocks: NDArray[np.int32]
    elements: NDArray[np.int32]
    words: NDArray[np.uint32]
    stack: NDArray[np.int32]
    missing: NDArray[np.bool_]  # elements whose end tag is known not to come, by number


@kernel
def heading_level(tree: Tree, block: int) -> int:
    """The level of the heading that a block is in, 0 where it is in none."""
    element = np.int64(tree.blocks[block, ELEMENT])
    while element >= 0:
        tag = tree.elements[element, ELEMENT_TAG]
        if _H1 <= tag <= _H6:
            return np.int64(tag - _H1 + 1)
        element = np.int64(tree.elements[element, PARENT])
    return 0


@kernel
def has_lines(text: NDArray[np.uint8], block: NDArray[np.int32]) -> bool:
    """Whether the text of a block's row has two lines or more."""
    place, end = block[START], block[END]
    while place < end and text[place] != _NEWLINE:
        place += 1
    return place < end
