"""The bytes of a page to blocks of text and the elements around them, in one pass without a tree.

A kernel reads tags with a stack of open elements: implied ends, scope barriers, stray end tags, raw text, comments and
references are as in the HTML Standard (13.2), as far as they decide what text stands in which block; formatting
elements are not reconstructed and nothing is moved out of tables. Time is linear in the page, whatever it holds.

A block is a run of text that no block element interrupts. ``<br>`` is a line end, two of them end the block. ``pre`` is
verbatim, formulas are TeX between dollar signs (see .formulas), and a row of a data table becomes one block later (see
.tables). What is written is described in .tree, how text is written in .writing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.classes import is_hidden, is_unread, read_words
from pipeline.extraction.columns import (
    DEPTH,
    ELEMENT_TAG,
    FIRST,
    FLAGS,
    GROUP,
    HAS_HEADER,
    HAS_TABLE,
    IS_HIDDEN,
    LAST,
    ORDER,
    PARENT,
    WORDS,
    WORDS_END,
)
from pipeline.extraction.elements import (
    BLOCK,
    ENDS_P,
    FNV_PRIME,
    FNV_START,
    HABITS,
    RAW,
    SCOPE,
    SKIPPED,
    SPECIAL,
    TAG,
    VOID,
    kernel,
    tag_of,
)
from pipeline.extraction.formulas import put_formula, read_image, read_math
from pipeline.extraction.markup import (
    ALT,
    ATTRIBUTES,
    CLASS,
    HIDDEN,
    HREF,
    ID,
    ITEMPROP,
    NUMBER,
    ROLE,
    STYLE,
    TYPE,
    after_greater,
    as_bytes,
    comment_end,
    contains,
    find_end_tag,
    read_attributes,
    tag_name,
)
from pipeline.extraction.tables import CELL_ROOM, join_rows
from pipeline.extraction.tree import (
    BLOCK_START,
    BLOCKS,
    BREAKS,
    DEEPEST,
    ELEMENTS,
    IMAGES,
    INLINE,
    LINK,
    LINK_COUNT,
    LINK_END,
    LINK_TAGS,
    MOST_ATTRIBUTES,
    NOSCRIPTS,
    OVERFLOW,
    PRE,
    SKIP,
    SPACE,
    STATES,
    TAGS,
    TEXT,
    TITLE_END,
    TITLE_START,
    TOP,
    WORD,
    Tree,
)
from pipeline.extraction.writing import break_block, end_block, read_text

MAX_DEPTH: Final = 512  # elements nested deeper are read as if they stood in the last one
_MAX_WORDS = 16  # of an element's class, id, role and itemprop
_LONGEST_MARGIN = 64  # bytes before the first text of a line in pre
_LITTLE_TEXT = 500  # bytes, with which a page may have its text in noscript

_ROOT, _BODY, _HR, _BR, _IMG, _A, _P, _LI, _UL, _OL, _DD, _DT, _BUTTON, _SUP = (
    TAG[name] for name in ["html", "body", "hr", "br", "img", "a", "p", "li", "ul", "ol", "dd", "dt", "button", "sup"]
)
_TABLE, _TR, _TD, _TH, _TBODY, _TFOOT, _PRE, _LISTING, _H1, _H6 = (
    TAG[name] for name in ["table", "tr", "td", "th", "tbody", "tfoot", "pre", "listing", "h1", "h6"]
)
_MATH, _SCRIPT, _TITLE, _NOSCRIPT, _PLAINTEXT, _XMP, _UNKNOWN, _TEXTAREA = (
    TAG[name] for name in ["math", "script", "title", "noscript", "plaintext", "xmp", "unknown", "textarea"]
)


_DIALOG_ROLE = as_bytes("dialog")  # a cookie banner, a form to subscribe: it covers the page for a moment
_MATH_TEX, _MODE_DISPLAY = as_bytes("math/tex"), as_bytes("mode=display")


def parse(page: bytes, url: str = "") -> Tree:
    """The blocks and elements of a page in UTF-8. The words of its URL are taken for those of the root's class.

    ``noscript`` is read only where the page says nothing without it.
    """
    source, address = np.frombuffer(page, np.uint8), np.frombuffer(url.encode("utf-8", "replace"), np.uint8)
    tree = _parsed(source, address, False)
    if tree.state[NOSCRIPTS] and tree.state[TEXT] < _LITTLE_TEXT:
        tree = _parsed(source, address, True)
    return tree


def _parsed(source: NDArray[np.uint8], address: NDArray[np.uint8], scripting_off: bool) -> Tree:
    tags = count_signs(source) + 2
    tree = Tree(
        np.zeros(STATES, np.int64),
        np.empty(len(source) + len(source) // 4 + 2 * tags + 64, np.uint8),  # &nLt; becomes six bytes
        np.empty((2 * tags, 6), np.int32),
        np.empty((tags, 10), np.int32),
        np.empty(tags * _MAX_WORDS, np.uint32),
        np.zeros(MAX_DEPTH + 1, np.int32),
        np.zeros(len(HABITS), np.bool_),
    )
    _push_root(address, tree)
    _parse(source, tree, np.zeros(ATTRIBUTES, np.int64), scripting_off)
    state = tree.state
    state[BLOCKS] = join_rows(tree.text, tree.blocks, tree.elements[: state[ELEMENTS]], state[BLOCKS], state[TEXT])
    return tree._replace(
        text=tree.text[: state[TEXT]],
        blocks=tree.blocks[: state[BLOCKS]],
        elements=tree.elements[: state[ELEMENTS]],
        words=tree.words[: state[WORD]],
    )


@kernel
def count_signs(source: NDArray[np.uint8]) -> int:
    """How many ``<`` a page has, a bound on its tags."""
    count = 0
    for byte in source:
        count += byte == 60
    return count


@kernel
def _parse(source: NDArray[np.uint8], tree: Tree, attributes: NDArray[np.int64], scripting_off: bool) -> None:
    at, end = 0, len(source)
    while at < end:
        if source[at] != 60:
            at = read_text(source, at, end, tree)
            continue
        following = source[at + 1] if at + 1 < end else 0
        if 97 <= (following | 32) <= 122:
            at = _start_tag(source, at + 1, tree, attributes, scripting_off)
        elif following == 47:  # /
            letter = at + 2 < end and 97 <= (source[at + 2] | 32) <= 122
            at = _end_tag(source, at + 2, tree) if letter else after_greater(source, at + 2)
        elif following == 33:  # !
            is_comment = at + 3 < end and source[at + 2] == 45 and source[at + 3] == 45
            at = comment_end(source, at + 4) if is_comment else after_greater(source, at + 2)
        elif following == 63:  # ?
            at = after_greater(source, at + 2)
        else:
            at = read_text(source, at, end, tree)
    break_block(tree)
    while tree.state[TOP] >= 0:
        _pop(tree)


@kernel
def _push_root(address: NDArray[np.uint8], tree: Tree) -> None:
    tree.state[TOP] = 0
    tree.state[ELEMENTS] = 1
    root = tree.elements[0]
    root[:] = 0
    root[PARENT], root[ELEMENT_TAG] = -1, _ROOT
    read_words(address, 0, len(address), tree, _MAX_WORDS, FNV_START)
    root[WORDS_END] = tree.state[WORD]


# ---------------------------------------------------------------- tags
@kernel
def _start_tag(
    source: NDArray[np.uint8], at: int, tree: Tree, attributes: NDArray[np.int64], scripting_off: bool
) -> int:
    """Handles the start tag whose name is at ``at``; returns the place after it (after the end tag of raw text)."""
    state = tree.state
    name, at, custom = tag_name(source, at)
    tag = tag_of(name)
    if tag == 0 and custom:
        tag = _UNKNOWN
    at = read_attributes(source, at, attributes)
    state[TAGS] += 1
    state[MOST_ATTRIBUTES] = max(state[MOST_ATTRIBUTES], attributes[NUMBER])
    habits = HABITS[tag]
    if habits & (RAW | SKIPPED):
        if tag == _NOSCRIPT and scripting_off:
            break_block(tree)
            return at
        return _raw_text(source, at, tree, attributes, tag, name)
    if tag == _BR:
        _line_end(tree)
    elif tag == _IMG:
        state[IMAGES] += 1
        if attributes[ALT + 1] and not state[SKIP]:
            read_image(source, tree, attributes)
    elif tag == _MATH:
        return read_math(source, at, tree, attributes)
    elif habits & BLOCK:
        _open_block(source, tree, attributes, tag)
    elif not habits & VOID:
        state[INLINE] += tag != _A  # a link ends the one before it
        state[DEEPEST] = max(state[DEEPEST], state[TOP] + state[INLINE])
        if tag == _A:
            state[LINK_TAGS] += 1
            _open_link(tree, attributes[HREF + 1] > 0)
        elif tag == _SUP:
            state[LINK_END] = -1
        _open_inline(source, tree, attributes, tag)
    return at


@kernel
def _end_tag(source: NDArray[np.uint8], at: int, tree: Tree) -> int:
    state = tree.state
    name, at, custom = tag_name(source, at)
    at = after_greater(source, at)
    tag = tag_of(name)
    if tag == 0 and custom:
        tag = _UNKNOWN
    if tag == _A:
        state[LINK], state[LINK_END] = 0, state[TEXT]
    if tag == _BR:
        _line_end(tree)
    elif HABITS[tag] & BLOCK and tag != _ROOT and tag != _BODY and tag != _HR:
        _close_block(tree, tag)
    else:
        state[INLINE] = max(0, state[INLINE] - (tag != _A))
        if state[SKIP] and tree.elements[tree.stack[state[TOP]], ELEMENT_TAG] == tag:
            _pop(tree)
    return at


@kernel
def _close_block(tree: Tree, tag: int) -> None:
    if tree.state[OVERFLOW]:
        tree.state[OVERFLOW] -= 1
        break_block(tree)
    else:
        _close(tree, tag)


@kernel
def _line_end(tree: Tree) -> None:
    state = tree.state
    if state[SKIP]:
        return
    if state[PRE]:
        tree.text[state[TEXT]] = 10
        state[TEXT] += 1
    elif state[TEXT] > state[BLOCK_START]:
        state[BREAKS] += 1


@kernel
def _open_link(tree: Tree, has_target: bool) -> None:
    """A link ends the one before it; two that touch are parted by a space, as menus part theirs by style.

    One that is raised, as the mark of a footnote, belongs to what it touches.
    """
    state = tree.state
    if state[LINK_END] == state[TEXT] and state[TEXT] > state[BLOCK_START]:
        state[SPACE] = 1
    state[LINK] = 0
    if has_target:
        state[LINK] = state[TOP] + 1
        state[LINK_COUNT] += 1


@kernel
def _open_inline(source: NDArray[np.uint8], tree: Tree, attributes: NDArray[np.int64], tag: int) -> None:
    """Inline elements are on the stack only where their text is passed over."""
    state = tree.state
    if state[SKIP]:
        if tag and tree.elements[tree.stack[state[TOP]], ELEMENT_TAG] == tag:
            _push(source, tree, attributes, tag)
    elif tag and (attributes[CLASS + 1] or attributes[STYLE + 1] or attributes[HIDDEN + 1]):
        if is_hidden(source, attributes) or is_unread(source, tree, attributes, tag):
            _push(source, tree, attributes, tag)
            state[SKIP] = state[TOP]


@kernel
def _open_block(source: NDArray[np.uint8], tree: Tree, attributes: NDArray[np.int64], tag: int) -> None:
    state = tree.state
    if not _stands_alone(tree):
        break_block(tree)
    if tag == _HR or tag == _ROOT or (tag == _BODY and state[TOP] and _tag_at(tree, 1) == _BODY):
        return
    if not state[OVERFLOW] and not _close_implied(tree, tag):
        return
    state[DEEPEST] = max(state[DEEPEST], state[TOP] + 1 + state[OVERFLOW])
    if state[TOP] + 1 >= MAX_DEPTH:
        state[OVERFLOW] += 1
        return
    _push(source, tree, attributes, tag)
    if not state[SKIP] and (
        (attributes[CLASS + 1] and is_unread(source, tree, attributes, tag))
        or contains(source, attributes[ROLE], attributes[ROLE + 1], _DIALOG_ROLE)
        or (state[PRE] and (tag == _BUTTON or is_hidden(source, attributes)))
    ):
        state[SKIP] = state[TOP]
        tree.elements[tree.stack[state[TOP]], FLAGS] |= IS_HIDDEN
    if (tag == _PRE or tag == _LISTING) and not state[PRE]:
        state[PRE] = state[TOP]
    if (tag == _TD or tag == _TH) and not state[PRE]:
        _keep_room(tree)


@kernel
def _stands_alone(tree: Tree) -> bool:
    """Whether in ``pre`` the line so far is blank or a number: that of the line, whose text is in a block after it."""
    state = tree.state
    if not state[PRE]:
        return False
    at, first = state[TEXT] - 1, max(state[BLOCK_START], state[TEXT] - _LONGEST_MARGIN)
    while at >= first and (tree.text[at] == 32 or tree.text[at] == 9 or 48 <= tree.text[at] <= 57):
        at -= 1
    return at < state[BLOCK_START] or tree.text[at] == 10


@kernel
def _keep_room(tree: Tree) -> None:
    """Room before a cell, for the mark of one that is empty."""
    state = tree.state
    tree.text[state[TEXT] : state[TEXT] + CELL_ROOM] = 0
    state[TEXT] += CELL_ROOM
    state[BLOCK_START] = state[TEXT]


@kernel
def _push(source: NDArray[np.uint8], tree: Tree, attributes: NDArray[np.int64], tag: int) -> None:
    state = tree.state
    if state[TOP] + 1 >= MAX_DEPTH:
        return
    number = state[ELEMENTS]
    parent = tree.stack[state[TOP]]
    row = tree.elements[number]
    row[:] = 0
    row[PARENT], row[ELEMENT_TAG], row[FIRST], row[DEPTH] = parent, tag, state[BLOCKS], state[TOP] + 1
    row[FLAGS] = tree.elements[parent, FLAGS] & IS_HIDDEN
    if (attributes[STYLE + 1] or attributes[HIDDEN + 1]) and is_hidden(source, attributes):
        row[FLAGS] |= IS_HIDDEN
    row[WORDS] = state[WORD]
    limit = row[WORDS] + _MAX_WORDS
    group = (FNV_START ^ np.uint64(tag)) * FNV_PRIME
    group = read_words(source, attributes[CLASS], attributes[CLASS + 1], tree, limit, group)
    row[GROUP] = np.int64((group >> np.uint64(33)) & np.uint64(0x7FFFFFFF))
    for attribute in (ID, ROLE, ITEMPROP):
        if attributes[attribute + 1]:
            read_words(source, attributes[attribute], attributes[attribute + 1], tree, limit, group)
    row[WORDS_END] = state[WORD]
    if tag == _LI:
        tree.elements[parent, ORDER] += 1  # counts the items of a list; its own place is set below
        row[ORDER] = tree.elements[parent, ORDER]
    if tag == _TH or tag == _TABLE:
        _mark_table(tree, parent, HAS_HEADER if tag == _TH else HAS_TABLE)
    state[ELEMENTS] += 1
    state[TOP] += 1
    tree.stack[state[TOP]] = number


@kernel
def _mark_table(tree: Tree, element: int, flag: int) -> None:
    """Sets a flag on the table around an element; what a table is in, also says so of the tables around that."""
    while element > 0:
        if tree.elements[element, ELEMENT_TAG] == _TABLE:
            if tree.elements[element, FLAGS] & flag:
                return
            tree.elements[element, FLAGS] |= flag
            if flag == HAS_HEADER:
                return
        element = tree.elements[element, PARENT]


@kernel
def _pop(tree: Tree) -> None:
    state = tree.state
    top = state[TOP]
    if top and top == state[PRE]:
        end_block(tree)
        state[PRE] = 0
    if top and top == state[SKIP]:
        state[SKIP] = 0
    tree.elements[tree.stack[top], LAST] = state[BLOCKS]
    state[TOP], state[INLINE] = top - 1, 0
    if state[LINK] > top:
        state[LINK] = 0


@kernel
def _tag_at(tree: Tree, depth: int) -> int:
    return np.int64(tree.elements[tree.stack[depth], ELEMENT_TAG])


@kernel
def _pop_to(tree: Tree, depth: int) -> None:
    """Closes the element at a depth and all inside it."""
    while tree.state[TOP] >= depth:
        _pop(tree)


@kernel
def _close(tree: Tree, tag: int) -> None:
    """An end tag: closes the innermost open element of its name, unless that lies beyond a barrier.

    One without an open element is ignored, but for that of a paragraph, which stands for an empty one.
    """
    if tag == _P:
        break_block(tree)
    in_table = tag == _TABLE or tag == _TR or tag == _TD or tag == _TH or _TBODY_FIRST <= tag <= _TBODY_LAST
    heading = _H1 <= tag <= _H6
    depth = tree.state[TOP]
    while depth > 0:
        open_tag = _tag_at(tree, depth)
        if open_tag == tag or (heading and _H1 <= open_tag <= _H6):
            break_block(tree)
            _pop_to(tree, depth)
            return
        if open_tag == _TABLE or (HABITS[open_tag] & SCOPE and not in_table):
            return
        if tag == _LI and (open_tag == _UL or open_tag == _OL):
            return
        depth -= 1


_TBODY_FIRST, _TBODY_LAST = TAG["caption"], TAG["tfoot"]


@kernel
def _close_implied(tree: Tree, tag: int) -> bool:
    """Closes what the start tag of a block element closes without saying so (HTML Standard, 13.1.2.4).

    Returns False for a part of a table without a table, which opens nothing.
    """
    depth = tree.state[TOP]
    if HABITS[tag] & ENDS_P and _tag_at(tree, depth) == _P:
        _pop_to(tree, depth)
        depth -= 1
    if tag == _LI:
        _close_item(tree, _LI, _LI)
    elif tag == _DD or tag == _DT:
        _close_item(tree, _DD, _DT)
    elif _H1 <= tag <= _H6 and _H1 <= _tag_at(tree, depth) <= _H6:
        _pop_to(tree, depth)
    elif tag == _TD or tag == _TH:
        return _close_in_table(tree, _TR, _TR)
    elif tag == _TR:
        return _close_in_table(tree, _TBODY, _TFOOT)
    elif _TBODY_FIRST <= tag <= _TBODY_LAST:
        return _close_in_table(tree, _TABLE, _TABLE)
    return True


@kernel
def _close_item(tree: Tree, one: int, other: int) -> None:
    depth = tree.state[TOP]
    while depth > 0:
        open_tag = _tag_at(tree, depth)
        if open_tag == one or open_tag == other:
            _pop_to(tree, depth)
            return
        if HABITS[open_tag] & SPECIAL:
            return
        depth -= 1


@kernel
def _close_in_table(tree: Tree, first: int, last: int) -> bool:
    """Closes all inside the innermost element with a number from ``first`` to ``last``, or the table, no other; False
    where there is neither."""
    depth = tree.state[TOP]
    while depth > 0:
        open_tag = _tag_at(tree, depth)
        if open_tag == _TABLE or first <= open_tag <= last:
            _pop_to(tree, depth + 1)
            return True
        depth -= 1
    return False


# ---------------------------------------------------------------- raw text
@kernel
def _raw_text(
    source: NDArray[np.uint8], at: int, tree: Tree, attributes: NDArray[np.int64], tag: int, name: np.uint64
) -> int:
    """Passes over the text of an element whose content is no markup or not for reading; returns the place after it.

    Without an end tag scripts and their like reach to the end of the page; others are ignored.
    """
    state = tree.state
    if tag == _NOSCRIPT:
        state[NOSCRIPTS] += 1
    end = -1 if tree.missing[tag] or tag == _PLAINTEXT else find_end_tag(source, at, name)
    if end < 0:
        tree.missing[tag] = True
        ignored = HABITS[tag] & SKIPPED > 0 or tag == _TEXTAREA or tag == _NOSCRIPT or tag == _XMP
        return at if ignored else len(source)
    if tag == _TITLE and state[TITLE_END] == 0:
        state[TITLE_START], state[TITLE_END] = at, end
    if tag == _SCRIPT and not state[SKIP] and contains(source, attributes[TYPE], attributes[TYPE + 1], _MATH_TEX):
        shown = contains(source, attributes[TYPE], attributes[TYPE + 1], _MODE_DISPLAY)
        put_formula(source, at, end, tree, shown)
    if tag == _XMP:
        _xmp(source, at, end, tree, attributes)
    if HABITS[tag] & SKIPPED:
        end = _nested_end(source, at, name, end)
    return after_greater(source, end)


@kernel
def _xmp(source: NDArray[np.uint8], start: int, end: int, tree: Tree, attributes: NDArray[np.int64]) -> None:
    """Text as in ``pre``, but without markup and references."""
    state = tree.state
    _open_block(source, tree, attributes, _PRE)
    for at in range(start, end):
        if source[at] != 13 and not state[SKIP]:
            tree.text[state[TEXT]] = source[at]
            state[TEXT] += 1
    _close_block(tree, _PRE)


@kernel
def _nested_end(source: NDArray[np.uint8], at: int, name: np.uint64, end: int) -> int:
    """The end tag of an element that may hold others of its name; ``end`` is that of the innermost."""
    depth = 1
    while True:
        while at < end:
            if source[at] == 60 and tag_name(source, at + 1)[0] == name:
                depth += 1
            at += 1
        depth -= 1
        following = find_end_tag(source, end + 2, name) if depth else -1
        if following < 0:
            return end
        at, end = end + 2, following
