"""What the pass over a page writes: its state, the text, and a row for each block and each block element.

A block is a run of text that no block element interrupts: its bytes lie in one buffer, block after block, with GAP zero
bytes after each.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
