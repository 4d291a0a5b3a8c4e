"""Formulas as TeX between dollar signs: from MathML, scripts and images that carry their source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.classes import class_kinds
from pipeline.extraction.elements import TAG, TEX_IMAGE, kernel, packed
from pipeline.extraction.markup import (
    ALT,
    ALTTEXT,
    DISPLAY,
    ENCODING,
    after_greater,
    as_bytes,
    contains,
    find_end_tag,
    put_character,
    read_attributes,
    read_reference,
    tag_name,
)
from pipeline.extraction.tree import BLOCK_START, BREAKS, GAP, MATH_END, SKIP, SPACE, TEX_END, TEX_START, TEXT, Tree
from pipeline.extraction.writing import put_break

_MATH = TAG["math"]
_MATH_NAME, _ANNOTATION_NAME = np.uint64(packed("math")), np.uint64(packed("annotation"))
_X_TEX, _BLOCK_VALUE = as_bytes("x-tex"), as_bytes("block")


@kernel
def read_math(source: NDArray[np.uint8], at: int, tree: Tree, attributes: NDArray[np.int64]) -> int:
    """MathML: its TeX source instead of the presentation, where it has one; else it is read as any inline text."""
    alt, alt_end = attributes[ALTTEXT], attributes[ALTTEXT + 1]
    shown = contains(source, attributes[DISPLAY], attributes[DISPLAY + 1], _BLOCK_VALUE)
    end = -1 if tree.missing[_MATH] else find_end_tag(source, at, _MATH_NAME)
    if end < 0:
        tree.missing[_MATH] = True
        return at
    place = at
    while place < end:
        if source[place] == 60:
            name, after, _ = tag_name(source, place + 1)
            if name == _ANNOTATION_NAME:
                place = read_attributes(source, after, attributes)
                close = find_end_tag(source, place, _ANNOTATION_NAME)
                if contains(source, attributes[ENCODING], attributes[ENCODING + 1], _X_TEX) and 0 <= close <= end:
                    _math_source(source, place, close, tree, shown)
                    return after_greater(source, end)
        place += 1
    if _has_command(source, alt, alt_end):
        _math_source(source, alt, alt_end, tree, shown)
        return after_greater(source, end)
    return at


@kernel
def _math_source(source: NDArray[np.uint8], start: int, end: int, tree: Tree, shown: bool) -> None:
    if not tree.state[SKIP]:
        put_formula(source, start, end, tree, shown)
        tree.state[MATH_END] = tree.state[TEXT]


@kernel
def read_image(source: NDArray[np.uint8], tree: Tree, attributes: NDArray[np.int64]) -> None:
    """The TeX that an image is the rendering of, unless it only stands for the MathML before it."""
    state, start, end = tree.state, attributes[ALT], attributes[ALT + 1]
    if not (_has_command(source, start, end) or class_kinds(source, attributes) & TEX_IMAGE):
        return
    math_end = state[MATH_END]
    while start < end and source[start] == 36 and source[end - 1] == 36:
        start, end = start + 1, end - 1
    if math_end == 0 or (state[TEXT] != math_end and not state[TEXT] == state[BLOCK_START] == math_end + GAP):
        put_formula(source, start, end, tree, False)


@kernel
def _has_command(source: NDArray[np.uint8], start: int, end: int) -> bool:
    """Whether a text is TeX for sure: it has a command, at the start or with a brace."""
    commands = braces = 0
    for at in range(start, end - 1):
        commands += source[at] == 92 and 97 <= (source[at + 1] | 32) <= 122
        braces += source[at] == 123
        if commands and (at == start or braces):
            return True
    return False


@kernel
def put_formula(source: NDArray[np.uint8], start: int, end: int, tree: Tree, shown: bool) -> None:
    """Writes TeX between dollar signs, two where it is ``shown`` on its own; a doubled one is written once."""
    state, text = tree.state, tree.text
    while start < end and source[start] <= 32:
        start += 1
    if start == end:
        return
    if state[SPACE] or state[BREAKS]:
        put_break(tree)
    before = state[TEXT]
    dollars = 2 if shown else 1
    text[before : before + dollars] = 36
    state[TEXT] += dollars
    at, space = start, False
    while at < end:
        code, code2, after = np.int64(source[at]), 0, at + 1
        if code == 38:
            code, code2, after = read_reference(source, at, end)
        if code <= 32 or (source[at] == 38 and code == 0xA0):
            space = True
        else:
            if space:
                text[state[TEXT]] = 32
                state[TEXT] += 1
                space = False
            if source[at] == 38:
                state[TEXT] = put_character(text, state[TEXT], code)
                if code2:
                    state[TEXT] = put_character(text, state[TEXT], code2)
            else:
                text[state[TEXT]] = source[at]
                state[TEXT] += 1
        at = after
    text[state[TEXT] : state[TEXT] + dollars] = 36
    state[TEXT] += dollars
    _drop_repeated(tree, before)


@kernel
def _drop_repeated(tree: Tree, start: int) -> None:
    """Takes back the formula from ``start`` where the one just before it is the same."""
    state, text = tree.state, tree.text
    size = state[TEXT] - start
    former, former_end = state[TEX_START], state[TEX_END]
    if former >= state[BLOCK_START] and former_end - former == size and start - former_end <= 1:
        same = True
        for offset in range(size):
            same = same and text[former + offset] == text[start + offset]
        if same:
            state[TEXT] = former_end
            return
    state[TEX_START], state[TEX_END] = start, state[TEXT]
