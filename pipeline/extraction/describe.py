"""What the blocks and elements of a page are like: what features are computed from, and a lexicon learned."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.extraction.columns import (
    ELEMENT,
    ELEMENT_TAG,
    END,
    FIRST,
    GROUP,
    LAST,
    LINK_BYTES,
    PARENT,
    START,
    WORDS,
    WORDS_END,
)
from pipeline.extraction.elements import FNV_PRIME, FNV_START, TAG, kernel
from pipeline.extraction.measures import (
    COMMAS,
    LENGTH,
    MEASURES,
    STOPS,
    TITLE_SLOTS,
    TOKEN_BITS,
    TOKENS,
    measure,
    title_words,
)
from pipeline.extraction.tree import TITLE_END, TITLE_START, Tree
from pipeline.extraction.words import family_of

WORD_BITS: Final = 15
PATH_BITS: Final = 14
TEXT_BITS: Final = 15
LEXICON_SIZES: Final = (1 << WORD_BITS, 1 << PATH_BITS, 1 << PATH_BITS, 1 << TEXT_BITS, 1 << TOKEN_BITS)
LONG_BLOCK: Final = 80  # LENGTH from which a block counts as a paragraph
_SHORT_TEXT: Final = 8  # tokens up to which a block is looked up in the lexicon of texts
REGION_TAGS: Final = [
    "nav",
    "header",
    "footer",
    "aside",
    "article",
    "main",
    "ul",
    "ol",
    "table",
    "form",
    "blockquote",
    "figure",
    "section",
    "dl",
    "button",
]


def _bit_by_tag(names: list[str]) -> NDArray[np.int64]:
    bits = np.zeros(len(TAG) + 1, np.int64)
    for number, name in enumerate(names):
        bits[TAG[name]] = 1 << number
    return bits


_REGION_BITS = _bit_by_tag(REGION_TAGS)


ODDS: Final = np.float32(1 / 42)  # a step of the lexicon's log-odds: with a byte each, it stays in the caches


class Lexicon(NamedTuple):
    """What words and paths speak for: log-odds of being main text in steps of ODDS, by hash, learned over sites (0: not
    known)."""

    words: NDArray[np.int8]  # of classes and ids, 2 ** WORD_BITS
    paths: NDArray[np.int8]  # the last three and the last five tags, 2 ** PATH_BITS each
    long_paths: NDArray[np.int8]
    texts: NDArray[np.int8]  # whole short blocks, 2 ** TEXT_BITS
    tokens: NDArray[np.int8]  # words of the text, 2 ** TOKEN_BITS


def empty_lexicon() -> Lexicon:
    return Lexicon(*(np.zeros(size, np.int8) for size in LEXICON_SIZES))


# What is known of each element: columns of a float array and of an integer array.
OWN_HINT, HINT_SUM, HINT_MOST, HINT_LEAST, LEVEL_HINT = range(5)
REGIONS, FAMILY_BITS, OUTER, PATH, LONG_PATH, NEAR_FAMILIES = range(6)


class Page(NamedTuple):
    """What the features of a page are made from; see pipeline.extraction.columns and .measures."""

    tree: Tree
    measures: NDArray[np.float32]
    hashes: NDArray[np.uint64]
    repeats: NDArray[np.int32]  # how many blocks of the page have the same letters
    earlier: NDArray[np.int32]  # how many of them came before
    words: NDArray[np.uint16]  # short hashes of the blocks' tokens
    hints: NDArray[np.float32]
    context: NDArray[np.int64]
    sums: NDArray[np.float64]  # running totals over the blocks, by column
    groups: NDArray[np.int32]  # the number of each block's group
    title_count: int


TEXT_SUM, LINK_SUM, COMMA_SUM, LONG_SUM, FREE_SUM, TOKEN_SUM, STOP_SUM = range(7)
SUMS: Final = 7


def describe(source: bytes, tree: Tree) -> Page:
    """All that the features are computed from, but for what the lexicon says."""
    return _describe(np.frombuffer(source, np.uint8), tree)


@njit(cache=True, nogil=True)
def _describe(source: NDArray[np.uint8], tree: Tree) -> Page:
    count, elements = len(tree.blocks), len(tree.elements)
    title = np.zeros(TITLE_SLOTS, np.uint64)
    title_count = title_words(source, tree.state[TITLE_START], tree.state[TITLE_END], title)
    slots = 16
    while slots < 2 * count:
        slots *= 2
    measures, hashes = np.empty((count, MEASURES), np.float32), np.empty(count, np.uint64)
    words = np.empty(len(tree.text), np.uint16)
    number = measure(tree.text, tree.blocks, title, measures, hashes, words)
    page = Page(
        tree,
        measures,
        hashes,
        np.empty(count, np.int32),
        np.empty(count, np.int32),
        words[:number],
        np.empty((elements, 5), np.float32),
        np.empty((elements, 6), np.int64),
        np.zeros((count + 1, SUMS)),
        np.empty(count, np.int32),
        title_count,
    )
    count_repeats(hashes, page.repeats, page.earlier, np.zeros(slots, np.uint64), np.zeros(slots, np.int32))
    number_groups(tree, page.groups, np.zeros(slots, np.uint64), np.zeros(slots, np.int32))
    sum_up(page)
    return page


@kernel
def count_repeats(
    hashes: NDArray[np.uint64],
    repeats: NDArray[np.int32],
    earlier: NDArray[np.int32],
    keys: NDArray[np.uint64],
    counts: NDArray[np.int32],
) -> None:
    mask = len(keys) - 1
    for turn in range(2):
        for block in range(len(hashes)):
            key = hashes[block] | np.uint64(1)
            slot = np.int64((key >> np.uint64(20)) & np.uint64(mask))
            while keys[slot] and keys[slot] != key:
                slot = (slot + 1) & mask
            if turn == 0:
                keys[slot] = key
                earlier[block] = counts[slot]
                counts[slot] += 1
            else:
                repeats[block] = counts[slot]


@kernel
def number_groups(tree: Tree, groups: NDArray[np.int32], keys: NDArray[np.uint64], numbers: NDArray[np.int32]) -> None:
    """Numbers the groups of blocks whose elements have the same tag and class, and their parents too."""
    mask = len(keys) - 1
    count = 0
    for block in range(len(groups)):
        element = tree.blocks[block, ELEMENT]
        parent = max(0, tree.elements[element, PARENT])
        key = np.uint64(tree.elements[element, GROUP]) * FNV_PRIME + np.uint64(tree.elements[parent, GROUP])
        key |= np.uint64(1)
        slot = np.int64((key >> np.uint64(20)) & np.uint64(mask))
        while keys[slot] and keys[slot] != key:
            slot = (slot + 1) & mask
        if keys[slot] == 0:
            keys[slot] = key
            numbers[slot] = count
            count += 1
        groups[block] = numbers[slot]


@kernel
def describe_elements(
    tree: Tree, lexicon: NDArray[np.int8], hints: NDArray[np.float32], context: NDArray[np.int64]
) -> None:
    """What speaks for and against each element, from the root down."""
    elements, words = tree.elements, tree.words
    for number in range(len(elements)):
        row = elements[number]
        parent = row[PARENT]
        own, families = np.float32(0), 0
        for word in range(row[WORDS], row[WORDS_END]):
            own += ODDS * lexicon[words[word] & np.uint32((1 << WORD_BITS) - 1)]
            families |= family_of(words[word])
        own = max(np.float32(-4), min(np.float32(4), own))
        tag = row[ELEMENT_TAG]
        hints[number, OWN_HINT] = own
        context[number, NEAR_FAMILIES] = families
        if parent < 0:
            hints[number, HINT_SUM] = hints[number, HINT_MOST] = hints[number, HINT_LEAST] = own
            hints[number, LEVEL_HINT] = own
            context[number, REGIONS] = context[number, FAMILY_BITS] = 0
            context[number, OUTER] = -1
            context[number, PATH] = context[number, LONG_PATH] = tag
            continue
        hints[number, HINT_SUM] = hints[parent, HINT_SUM] + own
        hints[number, HINT_MOST] = max(hints[parent, HINT_MOST], own)
        hints[number, HINT_LEAST] = min(hints[parent, HINT_LEAST], own)
        context[number, REGIONS] = context[parent, REGIONS] | _REGION_BITS[tag]
        context[number, FAMILY_BITS] = context[parent, FAMILY_BITS] | families
        context[number, LONG_PATH] = ((context[parent, LONG_PATH] << 7) | tag) & ((1 << 35) - 1)
        context[number, PATH] = context[number, LONG_PATH] & ((1 << 21) - 1)
        above = elements[parent]
        if above[FIRST] == row[FIRST] and above[LAST] == row[LAST]:
            context[number, OUTER] = context[parent, OUTER]
            hints[number, LEVEL_HINT] = hints[parent, LEVEL_HINT] + own
        else:
            context[number, OUTER] = parent
            hints[number, LEVEL_HINT] = own


@kernel
def sum_up(page: Page) -> None:
    sums, blocks = page.sums, page.tree.blocks
    for block in range(len(blocks)):
        row = page.measures[block]
        size = max(1, blocks[block, END] - blocks[block, START])
        linked = row[LENGTH] * blocks[block, LINK_BYTES] / size
        after = sums[block + 1]
        for column in range(len(after)):
            after[column] = sums[block, column]
        after[TEXT_SUM] += row[LENGTH]
        after[LINK_SUM] += linked
        after[FREE_SUM] += row[LENGTH] - linked
        after[COMMA_SUM] += row[COMMAS]
        after[LONG_SUM] += row[LENGTH] - linked >= LONG_BLOCK
        after[TOKEN_SUM] += row[TOKENS]
        after[STOP_SUM] += row[STOPS]


@kernel
def path_slot(path: int) -> int:
    """The place of a path of tags in the lexicon of paths."""
    key = (FNV_START ^ np.uint64(path)) * FNV_PRIME
    key = (key ^ (key >> np.uint64(29))) * FNV_PRIME
    return np.int64((key >> np.uint64(32)) & np.uint64((1 << PATH_BITS) - 1))


@kernel
def text_slot(letters: np.uint64) -> int:
    """The place of a short text in the lexicon of texts, by the hash of its letters."""
    return np.int64((letters >> np.uint64(32)) & np.uint64((1 << TEXT_BITS) - 1))


@kernel
def is_short(page: Page, block: int) -> bool:
    return 0 < page.measures[block, TOKENS] <= _SHORT_TEXT
