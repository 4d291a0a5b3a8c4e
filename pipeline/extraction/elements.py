"""What the kernels know of HTML: element names with their habits, attributes, class names to pass over, entities.

Names are numbers, so that a kernel compares them in one step: see ``packed`` and ``hash_of``.
"""

from __future__ import annotations

from html.entities import html5
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Kernels call each other at every tag, and counting references to the arrays that they hand on took two thirds of the
# time. They allocate nothing and their caller holds the arrays, so nothing needs to be counted.
kernel = njit(cache=True, nogil=True, _nrt=False)

# How an element behaves. HTML Standard, 13.1.2 (void, raw text) and 13.2.6.4 (implied ends, scopes).
BLOCK, VOID, RAW, SKIPPED, ENDS_P, SCOPE, SPECIAL = (1 << bit for bit in range(7))

_BLOCKS = (
    "html body main article section nav aside header footer hgroup search div p h1 h2 h3 h4 h5 h6 ul ol menu dir li dl "
    "dt dd table caption thead tbody tfoot tr td th pre listing blockquote figure figcaption address form fieldset "
    "legend details summary dialog center button hr unknown"
)
_VOIDS = "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr"
_RAW_TEXT = "script style textarea title iframe noembed noframes noscript plaintext xmp"
_PASSED_OVER = "svg template select canvas audio video datalist"
_NO_P_END = "button dt dd tr td th thead tbody tfoot caption html body legend unknown"
_SCOPES = "table td th caption html button"
_OTHERS = (
    "a b i em strong span font label small sup sub u code time cite tt var abbr ins del s q big kbd samp math "
    "annotation head"
)


def packed(name: str) -> int:
    """A name of letters and digits as a number: its last eight characters, a byte each."""
    return int.from_bytes(name.lower().encode()[-8:], "big")


def _element_names() -> list[str]:
    groups = (_BLOCKS, _VOIDS, _RAW_TEXT, _PASSED_OVER, _OTHERS)
    return list(dict.fromkeys(name for group in groups for name in group.split()))


NAMES: Final = ("", *_element_names())  # an element's number is its place here; 0 is any other inline element
TAG: Final = {name: number for number, name in enumerate(NAMES)}


def _habits() -> NDArray[np.uint16]:
    habits = np.zeros(len(NAMES), np.uint16)
    groups = ((BLOCK, _BLOCKS), (VOID, _VOIDS), (RAW, _RAW_TEXT), (SKIPPED, _PASSED_OVER), (SCOPE, _SCOPES))
    for habit, names in groups:
        habits[[TAG[name] for name in names.split()]] |= habit
    habits[[TAG[name] for name in _BLOCKS.split() if name not in _NO_P_END.split()]] |= ENDS_P
    habits[[TAG[name] for name in _BLOCKS.split() if name not in ("address", "div", "p")]] |= SPECIAL
    return habits


HABITS: Final = _habits()

_TABLE_BITS = 10
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(64 - _TABLE_BITS)
_MASK: Final = (1 << _TABLE_BITS) - 1


def _name_table() -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """An open-addressing table from a packed name to the element's number."""
    keys, numbers = np.zeros(_MASK + 1, np.uint64), np.zeros(_MASK + 1, np.uint8)
    for name, number in TAG.items():
        slot = ((packed(name) * int(_SPREAD)) & (2**64 - 1)) >> int(_SHIFT)
        while keys[slot]:
            slot = (slot + 1) & _MASK
        if name:
            keys[slot], numbers[slot] = packed(name), number
    return keys, numbers


_KEYS, _NUMBERS = _name_table()


@kernel
def tag_of(name: np.uint64) -> int:
    """The number of the element with a packed name, 0 where it is none of NAMES."""
    slot = np.int64((name * _SPREAD) >> _SHIFT)
    while _KEYS[slot]:
        if _KEYS[slot] == name:
            return np.int64(_NUMBERS[slot])
        slot = (slot + 1) & _MASK
    return 0


FNV_START: Final = np.uint64(0xCBF29CE484222325)
FNV_PRIME: Final = np.uint64(0x100000001B3)


def hash_of(text: str) -> int:
    """FNV-1a, 64 bits, of the UTF-8 bytes (Fowler, Noll and Vo); the kernels build it as they read."""
    value = int(FNV_START)
    for byte in text.encode():
        value = ((value ^ byte) * int(FNV_PRIME)) & (2**64 - 1)
    return value


# Classes (lower case) of what stands beside the text only for the eye: a formula's rendering next to its TeX source,
# buttons to copy or edit, signs that link to a heading; in listings the numbers of lines; images that stand for TeX;
# elements that hold a formula's MathML, hidden since an image of it is shown.
UNREAD, LINE_NUMBER, TEX_IMAGE, MATHML = 1, 2, 4, 8
_CLASSES: Final = {
    UNREAD: "katex-html mathjax mathjax_preview mathjax_display mathjax_svg mathjax_svg_display mathjax_chtml "
    "mjx-chtml mw-editsection headerlink copybtn copy-btn clipboard-copy",
    LINE_NUMBER: "gutter lineno linenos linenodiv line-number line-numbers linenumber lnt hljs-ln-numbers "
    "line-numbers-rows rouge-gutter blob-num crayon-nums",
    TEX_IMAGE: "tex latex mwe-math-fallback-image-inline mwe-math-fallback-image-display",
    MATHML: "mwe-math-mathml-inline mwe-math-mathml-display",
}
_CLASS_BITS = 9
_CLASS_MASK: Final = np.uint64((1 << _CLASS_BITS) - 1)


def _class_table() -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    keys, kinds = np.zeros(1 << _CLASS_BITS, np.uint64), np.zeros(1 << _CLASS_BITS, np.int64)
    for kind, names in _CLASSES.items():
        for name in names.split():
            slot = hash_of(name) & int(_CLASS_MASK)
            while keys[slot]:
                slot = (slot + 1) & int(_CLASS_MASK)
            keys[slot], kinds[slot] = hash_of(name), kind
    return keys, kinds


_CLASS_KEYS, _CLASS_KINDS = _class_table()


@kernel
def class_kind(key: np.uint64) -> int:
    """What the class with this hash is for: UNREAD or one of those after it, else 0."""
    slot = np.int64(key & _CLASS_MASK)
    while _CLASS_KEYS[slot]:
        if _CLASS_KEYS[slot] == key:
            return np.int64(_CLASS_KINDS[slot])
        slot = (slot + 1) & np.int64(_CLASS_MASK)
    return 0


_ENTITY_BITS = 13
_ENTITY_MASK: Final = np.uint64((1 << _ENTITY_BITS) - 1)


def _entity_table() -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """From the hash of a name without its semicolon to its one or two code points, and whether it needs none."""
    keys, values = np.zeros(1 << _ENTITY_BITS, np.uint64), np.zeros((1 << _ENTITY_BITS, 3), np.int32)
    for name, characters in html5.items():
        if not name.endswith(";"):
            continue
        key = hash_of(name[:-1])
        slot = key & int(_ENTITY_MASK)
        while keys[slot]:
            slot = (slot + 1) & int(_ENTITY_MASK)
        keys[slot] = key
        values[slot] = [ord(characters[0]), ord(characters[1]) if len(characters) > 1 else 0, name[:-1] in html5]
    return keys, values


ENTITY_KEYS, ENTITY_VALUES = _entity_table()


@kernel
def entity_slot(key: np.uint64) -> int:
    """The row of ENTITY_VALUES for the hash of a name, -1 where no entity has it."""
    slot = np.int64(key & _ENTITY_MASK)
    while ENTITY_KEYS[slot]:
        if ENTITY_KEYS[slot] == key:
            return slot
        slot = (slot + 1) & np.int64(_ENTITY_MASK)
    return -1


# What the bytes 80 to 9F of a numeric reference stand for: windows-1252 (HTML Standard, 13.2.5.80).
C1_CHARACTERS: Final = np.array(
    [ord(bytes([byte]).decode("cp1252", "replace")) for byte in range(0x80, 0xA0)], np.int32
)
