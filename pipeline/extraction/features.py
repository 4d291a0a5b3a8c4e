"""Features of a page's blocks, for the net that tells main text from clutter.

Each block is described by its own text, the element that it stands in, the elements around that, four enclosing
containers of different extent, the group of blocks with the same tag and class, the distance to the first heading and
to the container with most text, and the page as a whole. Neighbours are the net's to look at.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.extraction.columns import (
    DEPTH,
    ELEMENT,
    ELEMENT_TAG,
    END,
    FIRST,
    FLAGS,
    IS_HIDDEN,
    KIND,
    LAST,
    LINK_BYTES,
    LINKS,
    PARENT,
    START,
)
from pipeline.extraction.describe import (
    COMMA_SUM,
    FAMILY_BITS,
    FREE_SUM,
    HINT_LEAST,
    HINT_MOST,
    HINT_SUM,
    LEVEL_HINT,
    LINK_SUM,
    LONG_BLOCK,
    LONG_PATH,
    LONG_SUM,
    NEAR_FAMILIES,
    ODDS,
    OUTER,
    OWN_HINT,
    PATH,
    REGION_TAGS,
    REGIONS,
    STOP_SUM,
    TEXT_SUM,
    TOKEN_SUM,
    Lexicon,
    Page,
    describe_elements,
    is_short,
    path_slot,
    text_slot,
)
from pipeline.extraction.elements import TAG, kernel
from pipeline.extraction.measures import (
    ALONE,
    COMMAS,
    DIGITS,
    FIRST_CLASS,
    LAST_CLASS,
    LENGTH,
    LETTERS,
    LINES,
    MARKS,
    QUESTIONS,
    SEPARATORS,
    SIGNS,
    STOPS,
    TITLE_TOKENS,
    TOKENS,
    UPPER,
)
from pipeline.extraction.words import FAMILIES

LEVELS: Final = 4  # containers around a block
_BLOCK_TAGS: Final = [
    "p",
    "div",
    "li",
    "td",
    "th",
    "tr",
    "dd",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "figcaption",
    "blockquote",
    "address",
    "form",
    "pre",
    "body",
]

_P, _LI, _H1, _TABLE, _BODY = (TAG[name] for name in ["p", "li", "h1", "table", "body"])


_TAG_PLACE = np.array(
    [_BLOCK_TAGS.index(name) if name in _BLOCK_TAGS else -1 for name in ["", *list(TAG)[1:]]], np.int64
)
_N_REGIONS, _N_TAGS, _N_FAMILIES = len(REGION_TAGS), len(_BLOCK_TAGS), len(FAMILIES)


class Features(NamedTuple):
    """The features of a page's blocks. Neighbours often have the same containers, and all have the same page, so these
    parts are there once."""

    own: NDArray[np.float32]  # (blocks, OWN)
    around: NDArray[np.float32]  # (different places, AROUND): of containers
    place: NDArray[np.int32]  # the row of ``around`` that a block has
    page: NDArray[np.float32]  # PAGE_FEATURES
    spans: NDArray[np.int32]  # (blocks, LEVELS, 2): first block of each container, and the one after its last

    def rows(self) -> NDArray[np.float32]:
        """A whole row of WIDTH features for each block."""
        return np.hstack([self.own, self.around[self.place], np.tile(self.page, (len(self.own), 1))])


@njit(cache=True, nogil=True)
def features(page: Page, lexicon: Lexicon) -> Features:
    """All features of a page's blocks."""
    count, places = len(page.groups), 0
    own, around = np.zeros((count, OWN), np.float32), np.empty((count, AROUND), np.float32)
    place, spans = np.empty(count, np.int32), np.empty((count, LEVELS, 2), np.int32)
    of_page = np.zeros(PAGE_FEATURES, np.float32)
    if count:
        describe_elements(page.tree, lexicon.words, page.hints, page.context)
        room = np.full(len(page.tree.elements), -1, np.int32)
        places = fill(page, lexicon, Features(own, around, place, of_page, spans), np.zeros((count, 4)), room)
    return Features(own, around[:places], place, of_page, spans)


_LOG_ROOM: Final = 1024
_LOG_STEP: Final = 64.0
_LOG_OF_STEP: Final = np.float32(np.log(_LOG_STEP))
_LOGS = np.log1p(np.arange(_LOG_ROOM + 1)).astype(np.float32)


@kernel
def _log(value: float) -> np.float32:
    """About log(1 + value), linear between the places of a table: 30 logarithms a block cost more than the net."""
    if value <= 0:
        return np.float32(0)
    added = np.float32(0)
    while value >= _LOG_ROOM:
        value /= _LOG_STEP
        added += _LOG_OF_STEP
    place = np.int64(value)
    rest = np.float32(value - place)
    return added + _LOGS[place] + rest * (_LOGS[place + 1] - _LOGS[place])


@kernel
def _signed_log(value: float) -> np.float32:
    return _log(value) if value >= 0 else -_log(-value)


# ---------------------------------------------------------------- the page
PAGE_FEATURES: Final = 18 + _N_FAMILIES


@kernel
def best_container(page: Page) -> int:
    """The element whose own paragraphs hold most unlinked text: that of its blocks, and a third of what is below."""
    elements, sums = page.tree.elements, page.sums
    best, most = 0, -1.0
    for number in range(len(elements)):
        row = elements[number]
        if row[LAST] - row[FIRST] < 1:
            continue
        free = sums[row[LAST], FREE_SUM] - sums[row[FIRST], FREE_SUM]
        linked = sums[row[LAST], LINK_SUM] - sums[row[FIRST], LINK_SUM]
        long_blocks = sums[row[LAST], LONG_SUM] - sums[row[FIRST], LONG_SUM]
        spread = row[LAST] - row[FIRST]
        score = (free - linked) * (0.2 + long_blocks / spread)
        if score > most:
            best, most = number, score
    return best


@kernel
def first_heading(page: Page) -> int:
    """The block of the first h1, else the heading that shares most words with the title, else -1."""
    best, most = -1, 0.0
    for block in range(len(page.tree.blocks)):
        tag = page.tree.elements[page.tree.blocks[block, ELEMENT], ELEMENT_TAG]
        if tag == _H1:
            return block
        row = page.measures[block]
        if page.title_count and _H1 < tag <= _H1 + 5 and row[TOKENS] and row[TITLE_TOKENS] > 1:
            score = row[TITLE_TOKENS] / row[TOKENS] + row[TITLE_TOKENS] / page.title_count
            if score > most:
                best, most = block, score
    return best


@kernel
def fill_page(page: Page, row: NDArray[np.float32]) -> None:
    tree, sums = page.tree, page.sums
    count = len(tree.blocks)
    total = sums[count]
    items = paragraphs = headings = tables = families = 0
    long_text = 0.0
    for block in range(count):
        tag = tree.elements[tree.blocks[block, ELEMENT], ELEMENT_TAG]
        items += tag == _LI
        paragraphs += tag == _P
        headings += _H1 <= tag <= _H1 + 5
        free = sums[block + 1, FREE_SUM] - sums[block, FREE_SUM]
        if free >= LONG_BLOCK:
            long_text += free
    regions = 0
    for number in range(len(tree.elements)):
        families |= page.context[number, NEAR_FAMILIES]
        regions |= page.context[number, REGIONS]
        tables += tree.elements[number, ELEMENT_TAG] == _TABLE
    alone = np.float32(0)
    for block in range(count):
        alone += page.measures[block, ALONE]
    row[0] = _log(count)
    row[1] = _log(total[TEXT_SUM])
    row[2] = total[LINK_SUM] / max(1.0, total[TEXT_SUM])
    row[3] = long_text / max(1.0, total[FREE_SUM])
    row[4] = _log(total[LONG_SUM])
    row[5] = paragraphs / count
    row[6] = items / count
    row[7] = headings / count
    row[8] = _log(tables)
    row[9] = alone / max(1.0, total[TOKEN_SUM])
    row[10] = total[COMMA_SUM] / max(1.0, total[TOKEN_SUM])
    row[11] = _log(len(tree.elements))
    for place in range(4):  # article, main, header, nav
        row[12 + place] = (regions >> (4, 5, 1, 0)[place]) & 1
    row[16] = families & 1  # comments
    row[17] = (families >> 1) & 1  # a forum's words
    named = page.context[0, NEAR_FAMILIES]  # the words of the URL and of the body's class
    if len(tree.elements) > 1 and tree.elements[1, ELEMENT_TAG] == _BODY:
        named |= page.context[1, NEAR_FAMILIES]
    for bit in range(_N_FAMILIES):
        row[18 + bit] = (named >> bit) & 1


# ---------------------------------------------------------------- blocks
_TEXT_FEATURES: Final = 37
_WORD_FEATURES: Final = 4
_HEADING_FEATURES: Final = 6
_ELEMENT_FEATURES: Final = 8
_PLACE_FEATURES: Final = 16 + LEVELS
_CONTAINER_FEATURES: Final = 10
OWN: Final = (
    _TEXT_FEATURES
    + _WORD_FEATURES
    + _HEADING_FEATURES
    + _N_TAGS
    + _N_REGIONS
    + 2 * _N_FAMILIES
    + _ELEMENT_FEATURES
    + _PLACE_FEATURES
)
AROUND: Final = LEVELS * _CONTAINER_FEATURES
WIDTH: Final = OWN + AROUND + PAGE_FEATURES


@kernel
def fill(
    page: Page, lexicon: Lexicon, found: Features, group_sums: NDArray[np.float64], places: NDArray[np.int32]
) -> int:
    """Fills the features of all blocks and returns how many rows of ``around`` there are. The last two arguments are
    room to work in, -1 in ``places``."""
    fill_page(page, found.page)
    sums = page.sums
    count = len(found.own)
    for block in range(count):
        group = group_sums[page.groups[block]]
        group[0] += 1
        for column in range(3):
            source = (TEXT_SUM, LINK_SUM, LONG_SUM)[column]
            group[1 + column] += sums[block + 1, source] - sums[block, source]
    best, main_heading = best_container(page), first_heading(page)
    usual = mean_odds(page, lexicon)
    word, heading, around = 0, -1, 0
    for block in range(count):
        row = found.own[block]
        place = _fill_text(page, lexicon, block, row)
        words = np.int64(page.measures[block, TOKENS])
        place = _fill_words(page, lexicon, usual, row, place, word, words)
        word += words
        place = _fill_headings(page, lexicon, row, place, block, heading)
        if _H1 <= page.tree.elements[page.tree.blocks[block, ELEMENT], ELEMENT_TAG] <= _H1 + 5:
            heading = block
        place = _fill_element(page, lexicon, block, row, place)
        place = _fill_place(page, block, row, place, group_sums[page.groups[block]], best, main_heading)
        container = _first_container(page, block)
        if places[container] < 0:
            places[container] = around
            _fill_containers(page, container, found.around[around])
            around += 1
        found.place[block] = places[container]
        _fill_spans(page, container, block, found.spans[block], row, place)
    return around


@kernel
def _fill_text(page: Page, lexicon: Lexicon, block: int, row: NDArray[np.float32]) -> int:
    """The block's own text."""
    measures, entry = page.measures[block], page.tree.blocks[block]
    tokens, letters = max(np.float32(1), measures[TOKENS]), max(np.float32(1), measures[LETTERS])
    size = max(1, entry[END] - entry[START])
    linked = entry[LINK_BYTES] / size
    row[0] = _log(measures[LENGTH])
    row[1] = _log(measures[TOKENS])
    row[2] = linked
    row[3] = _log(entry[LINKS])
    row[4] = measures[UPPER] / letters
    row[5] = measures[DIGITS] / letters
    row[6] = _log(measures[COMMAS])
    row[7] = _log(measures[STOPS])
    row[8] = measures[ALONE] / tokens
    row[9] = min(np.float32(5), measures[MARKS] / tokens)
    row[10] = min(np.float32(15), letters / tokens) / 5
    row[11] = _log(measures[LINES])
    row[12] = measures[TITLE_TOKENS] / tokens
    row[13] = measures[TITLE_TOKENS] / max(1, page.title_count)
    row[14] = row[12] * min(np.float32(1), row[13])
    row[15] = _log(page.repeats[block] - 1)
    row[16] = _log(measures[SEPARATORS])
    row[17] = _log(measures[SIGNS])
    row[18] = _log(measures[QUESTIONS])
    row[19] = _log(measures[LENGTH]) * (1 - linked)
    row[20] = entry[KIND] == 1
    row[21] = entry[KIND] == 2
    row[22 + min(4, np.int64(measures[FIRST_CLASS]))] = 1
    last = np.int64(measures[LAST_CLASS])
    row[27] = last == 6  # a sentence ends
    row[28] = last == 7 or last == 5
    row[29] = 1 <= last <= 2 or last == 4
    row[30] = last == 3
    row[31] = linked > 0.9
    if is_short(page, block):
        row[32] = 1
        row[33] = ODDS * lexicon.texts[text_slot(page.hashes[block])]
    row[34] = measures[TOKENS] == 0
    row[35] = page.earlier[block] > 0
    row[36] = (page.repeats[block] > 1) * row[0]
    return _TEXT_FEATURES


@kernel
def mean_odds(page: Page, lexicon: Lexicon) -> np.float32:
    """What a word of the page speaks for in the mean. Words of languages with few pages to learn from speak against
    all text, so that only the difference tells anything."""
    total = 0
    for word in page.words:
        total += lexicon.tokens[word]
    return ODDS * np.float32(total / max(1, len(page.words)))


@kernel
def _fill_words(
    page: Page, lexicon: Lexicon, usual: np.float32, row: NDArray[np.float32], place: int, first: int, count: int
) -> int:
    """What the words of the block speak for, against the page's: in the mean, most and least."""
    total = most = least = np.float32(0)
    for word in range(first, first + count):
        odds = ODDS * lexicon.tokens[page.words[word]] - usual
        total += odds
        most, least = max(most, odds), min(least, odds)
    row[place] = total / max(1, count)
    row[place + 1] = total / np.sqrt(np.float32(max(1, count)))
    row[place + 2], row[place + 3] = most, least
    return place + _WORD_FEATURES


@kernel
def _fill_headings(page: Page, lexicon: Lexicon, row: NDArray[np.float32], place: int, block: int, heading: int) -> int:
    """The last heading before the block: how far, how high, and what its words speak for."""
    if heading >= 0:
        entry = page.tree.elements[page.tree.blocks[heading, ELEMENT]]
        row[place] = 1
        row[place + 1] = _log(block - heading)
        row[place + 2] = entry[ELEMENT_TAG] - _H1
        row[place + 3] = ODDS * lexicon.texts[text_slot(page.hashes[heading])] if is_short(page, heading) else 0
        row[place + 4] = page.hints[page.tree.blocks[heading, ELEMENT], HINT_SUM]
        row[place + 5] = page.measures[heading, TITLE_TOKENS] / max(np.float32(1), page.measures[heading, TOKENS])
    return place + _HEADING_FEATURES


@kernel
def _fill_element(page: Page, lexicon: Lexicon, block: int, row: NDArray[np.float32], place: int) -> int:
    """The element that the block stands in, and all around that."""
    element = page.tree.blocks[block, ELEMENT]
    tag = _TAG_PLACE[page.tree.elements[element, ELEMENT_TAG]]
    if tag >= 0:
        row[place + tag] = 1
    place += _N_TAGS
    regions = page.context[element, REGIONS]
    for bit in range(_N_REGIONS):
        row[place + bit] = (regions >> bit) & 1
    place += _N_REGIONS
    families, near = page.context[element, FAMILY_BITS], _near_families(page, element)
    for bit in range(_N_FAMILIES):
        row[place + bit] = (families >> bit) & 1
        row[place + _N_FAMILIES + bit] = (near >> bit) & 1
    place += 2 * _N_FAMILIES
    hints = page.hints[element]
    row[place] = hints[OWN_HINT]
    row[place + 1] = max(np.float32(-8), min(np.float32(8), hints[HINT_SUM]))
    row[place + 2] = hints[HINT_MOST]
    row[place + 3] = hints[HINT_LEAST]
    row[place + 4] = ODDS * lexicon.paths[path_slot(page.context[element, PATH])]
    row[place + 5] = ODDS * lexicon.long_paths[path_slot(page.context[element, LONG_PATH])]
    row[place + 6] = page.tree.elements[element, FLAGS] & IS_HIDDEN
    row[place + 7] = _log(page.tree.elements[element, DEPTH])
    return place + 8


@kernel
def _near_families(page: Page, element: int) -> int:
    """The families of words of an element and the three around it."""
    families = 0
    for _ in range(4):
        if element < 0:
            break
        families |= page.context[element, NEAR_FAMILIES]
        element = page.tree.elements[element, PARENT]
    return families


@kernel
def _fill_place(
    page: Page,
    block: int,
    row: NDArray[np.float32],
    place: int,
    group: NDArray[np.float64],
    best: int,
    heading: int,
) -> int:
    """Where in the page the block stands: from its ends, the main container, the heading; and the blocks like it."""
    count = len(page.tree.blocks)
    sums, total = page.sums, page.sums[count]
    row[place] = block / count
    row[place + 1] = sums[block, FREE_SUM] / max(1.0, total[FREE_SUM])
    row[place + 2] = _log(block)
    row[place + 3] = _log(count - 1 - block)
    container = page.tree.elements[best]
    inside = container[FIRST] <= block < container[LAST]
    row[place + 4] = inside
    distance = block - container[FIRST] if block < container[FIRST] else max(0, block - container[LAST] + 1)
    row[place + 5] = _signed_log(distance)
    row[place + 6] = (sums[container[LAST], FREE_SUM] - sums[container[FIRST], FREE_SUM]) / max(1.0, total[FREE_SUM])
    if heading >= 0:
        row[place + 7] = 1
        row[place + 8] = _signed_log(block - heading)
        row[place + 9] = block < heading
        row[place + 10] = block == heading
    row[place + 11] = _log(group[0])
    row[place + 12] = group[1] / max(1.0, total[TEXT_SUM])
    row[place + 13] = group[2] / max(1.0, group[1])
    row[place + 14] = _log(group[1] / group[0])
    row[place + 15] = group[3] / group[0]
    return place + 16


@kernel
def _first_container(page: Page, block: int) -> int:
    """The innermost element around a block that holds others too."""
    elements = page.tree.elements
    element = np.int64(page.tree.blocks[block, ELEMENT])
    while elements[element, LAST] - elements[element, FIRST] <= 1 and page.context[element, OUTER] >= 0:
        element = page.context[element, OUTER]
    return element


@kernel
def _fill_spans(
    page: Page, container: int, block: int, span: NDArray[np.int32], row: NDArray[np.float32], place: int
) -> None:
    """The containers' ends, and where between them the block stands."""
    for level in range(LEVELS):
        first, last = page.tree.elements[container, FIRST], page.tree.elements[container, LAST]
        span[level, 0], span[level, 1] = first, last
        row[place + level] = (block - first) / max(1, last - first)
        if page.context[container, OUTER] >= 0:
            container = page.context[container, OUTER]


@kernel
def _fill_containers(page: Page, element: int, row: NDArray[np.float32]) -> None:
    """The enclosing elements of different extent, from the inside out; where there are fewer, the last again."""
    elements, sums = page.tree.elements, page.sums
    count = len(page.tree.blocks)
    total = sums[count]
    place = 0
    for _ in range(LEVELS):
        first, last = elements[element, FIRST], elements[element, LAST]
        text = sums[last, TEXT_SUM] - sums[first, TEXT_SUM]
        tokens = max(1.0, sums[last, TOKEN_SUM] - sums[first, TOKEN_SUM])
        row[place] = _log(text)
        row[place + 1] = (sums[last, FREE_SUM] - sums[first, FREE_SUM]) / max(1.0, total[FREE_SUM])
        row[place + 2] = (sums[last, LINK_SUM] - sums[first, LINK_SUM]) / max(1.0, text)
        row[place + 3] = 5 * (sums[last, COMMA_SUM] - sums[first, COMMA_SUM]) / tokens
        row[place + 4] = _log(sums[last, LONG_SUM] - sums[first, LONG_SUM])
        row[place + 5] = _log(last - first)
        row[place + 6] = first / count
        row[place + 7] = page.hints[element, LEVEL_HINT]
        row[place + 8] = 5 * (sums[last, STOP_SUM] - sums[first, STOP_SUM]) / tokens
        row[place + 9] = _log(text / max(1, last - first))
        place += _CONTAINER_FEATURES
        if page.context[element, OUTER] >= 0:
            element = page.context[element, OUTER]
