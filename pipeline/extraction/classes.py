"""What the attributes of an element say of it: whether it is to be read, and its words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.elements import FNV_PRIME, FNV_START, LINE_NUMBER, MATHML, TAG, UNREAD, class_kind, kernel
from pipeline.extraction.markup import CLASS, HIDDEN, STYLE, as_bytes, contains
from pipeline.extraction.tree import PRE, WORD, Tree

_CODE, _TD, _SPAN = (TAG[name] for name in ["code", "td", "span"])
_DISPLAY_NONE, _INVISIBLE = as_bytes("display:none"), as_bytes("visibility:hidden")


@kernel
def is_hidden(source: NDArray[np.uint8], attributes: NDArray[np.int64]) -> bool:
    if attributes[HIDDEN + 1]:
        return True
    start, end = attributes[STYLE], attributes[STYLE + 1]
    hidden = contains(source, start, end, _DISPLAY_NONE) or contains(source, start, end, _INVISIBLE)
    return hidden and not class_kinds(source, attributes) & MATHML


@kernel
def is_unread(source: NDArray[np.uint8], tree: Tree, attributes: NDArray[np.int64], tag: int) -> bool:
    """Whether an element of this class stands only for the eye; "gutter" is also a word for margins of a layout.

    The class "line-numbers" of ``pre`` or its ``code`` says that a script is to add them.
    """
    kinds = class_kinds(source, attributes)
    in_listing = (tree.state[PRE] > 0 and tag != _CODE) or tag in (_TD, _SPAN)
    return kinds & UNREAD > 0 or (in_listing and kinds & LINE_NUMBER > 0)


@kernel
def class_kinds(source: NDArray[np.uint8], attributes: NDArray[np.int64]) -> int:
    """What the classes of an element are for, a bit for each kind."""
    at, end, kinds = attributes[CLASS], attributes[CLASS + 1], 0
    key = FNV_START
    while at < end:
        byte = source[at]
        if byte <= 32:
            kinds |= class_kind(key)
            key = FNV_START
        else:
            if 65 <= byte <= 90:
                byte += 32
            key = (key ^ np.uint64(byte)) * FNV_PRIME
        at += 1
    return kinds | class_kind(key)


@kernel
def read_words(source: NDArray[np.uint8], start: int, end: int, tree: Tree, limit: int, group: np.uint64) -> np.uint64:
    """Adds the hashes of the words of two letters or more, up to ``limit``: commentList, comment-list, comment_list.

    Returns ``group`` hashed with all but the digits, which number the items of a list.
    """
    state = tree.state
    key, letters, small = FNV_START, 0, False
    for at in range(start, end):
        byte = source[at]
        folded = byte | np.uint8(32)
        letter = 97 <= folded <= 122
        capital = letter and byte != folded
        if letters and (not letter or (capital and small)):
            if letters >= 2 and state[WORD] < limit:
                tree.words[state[WORD]] = np.uint32(key >> np.uint64(32))
                state[WORD] += 1
            key, letters = FNV_START, 0
        if letter:
            key = (key ^ np.uint64(folded)) * FNV_PRIME
            letters += 1
        if not 48 <= byte <= 57:
            group = (group ^ np.uint64(byte)) * FNV_PRIME
        small = letter and not capital
    if letters >= 2 and state[WORD] < limit:
        tree.words[state[WORD]] = np.uint32(key >> np.uint64(32))
        state[WORD] += 1
    return group
