"""Small kernels that read markup at one place of a page: names, attributes, references, ends of raw text."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.elements import (
    C1_CHARACTERS,
    ENTITY_VALUES,
    FNV_PRIME,
    FNV_START,
    entity_slot,
    kernel,
    packed,
)

# A tag's attributes: where each value starts and ends (both 0 where it is absent), and whether a bare one stands there;
# and how many the tag has, others included.
(CLASS, ID, STYLE, ROLE, ITEMPROP, ALT, TYPE, ENCODING, DISPLAY, HREF, HIDDEN, ALTTEXT) = range(0, 24, 2)
NUMBER: Final = 24
ATTRIBUTES: Final = 25
_NAMES: Final = np.array(
    [
        packed(name)
        for name in (
            *("class", "id", "style", "role", "itemprop", "alt", "type", "encoding"),
            *("display", "href", "hidden", "alttext"),
        )
    ],
    np.uint64,
)

_AMPERSAND, _HASH, _SEMICOLON, _LESS, _GREATER, _SLASH, _DASH, _EQUALS = 38, 35, 59, 60, 62, 47, 45, 61
_LONGEST_NAME = 32  # of an entity, and a bound on digits
_REPLACEMENT = 0xFFFD


def as_bytes(text: str) -> NDArray[np.uint8]:
    """What ``contains`` looks for."""
    return np.frombuffer(text.encode(), np.uint8)


@kernel
def tag_name(page: NDArray[np.uint8], at: int) -> tuple[np.uint64, int, bool]:
    """The packed name that starts at ``at``, where it ends, and whether it is a custom element's (has a hyphen).

    The elements of MathJax (``mjx-``) stand within a line and are not taken for custom ones.
    """
    name, custom = np.uint64(0), False
    start = at
    while at < len(page):
        byte = page[at]
        if 65 <= byte <= 90:
            byte += 32
        if byte <= 32 or byte == _GREATER or byte == _SLASH:
            break
        custom = custom or byte == _DASH
        name = (name << np.uint64(8)) | np.uint64(byte)
        at += 1
    if custom and page[start] == 109 and page[start + 1] == 106 and page[start + 2] == 120:
        custom = False
    return name, at, custom


@kernel
def read_attributes(page: NDArray[np.uint8], at: int, found: NDArray[np.int64]) -> int:
    """Fills ``found`` (see CLASS and those after it) from a start tag's attributes; returns the place after it."""
    found[:] = 0
    end = len(page)
    while at < end:
        byte = page[at]
        if byte == _GREATER:
            return at + 1
        if byte <= 32 or byte == _SLASH:
            at += 1
            continue
        name = np.uint64(0)
        start = at
        found[NUMBER] += 1
        while at < end:
            byte = page[at]
            if byte <= 32 or byte == _GREATER or byte == _SLASH or (byte == _EQUALS and at > start):
                break
            if 65 <= byte <= 90:
                byte += 32
            name = (name << np.uint64(8)) | np.uint64(byte)
            at += 1
        while at < end and page[at] <= 32:
            at += 1
        value_start = value_end = at
        if at < end and page[at] == _EQUALS:
            value_start, value_end, at = _value(page, at + 1)
        for column in range(len(_NAMES)):
            if _NAMES[column] == name:
                if found[2 * column + 1] == 0:
                    found[2 * column], found[2 * column + 1] = value_start, value_end
                break
    return at


@kernel
def _value(page: NDArray[np.uint8], at: int) -> tuple[int, int, int]:
    """Start and end of an attribute's value, and the place after it."""
    end = len(page)
    while at < end and page[at] <= 32:
        at += 1
    if at < end and (page[at] == 34 or page[at] == 39):
        quote = page[at]
        at += 1
        start = at
        while at < end and page[at] != quote:
            at += 1
        return start, at, min(at + 1, end)
    start = at
    while at < end and page[at] > 32 and page[at] != _GREATER:
        at += 1
    return start, at, at


@kernel
def contains(page: NDArray[np.uint8], start: int, end: int, needle: NDArray[np.uint8]) -> bool:
    """Whether lower-case ASCII ``needle`` stands in page[start:end], in any case and with any spaces between."""
    for first in range(start, end - len(needle) + 1):
        at = first
        matched = 0
        while at < end and matched < len(needle):
            byte = page[at]
            if 65 <= byte <= 90:
                byte += 32
            if byte == needle[matched]:
                matched += 1
            elif byte > 32 or matched == 0:
                break
            at += 1
        if matched == len(needle):
            return True
    return False


@kernel
def find_end_tag(page: NDArray[np.uint8], at: int, name: np.uint64) -> int:
    """The start of the next end tag ``</name``, or -1."""
    while at + 2 < len(page):
        if page[at] == _LESS and page[at + 1] == _SLASH and tag_name(page, at + 2)[0] == name:
            return at
        at += 1
    return -1


@kernel
def after_greater(page: NDArray[np.uint8], at: int) -> int:
    """The place after the next ``>``."""
    while at < len(page) and page[at] != _GREATER:
        at += 1
    return min(at + 1, len(page))


@kernel
def comment_end(page: NDArray[np.uint8], at: int) -> int:
    """The place after the comment whose text starts at ``at``, after ``<!--``; ``<!-->`` is a whole one."""
    if at < len(page) and page[at] == _GREATER:
        return at + 1
    if at + 1 < len(page) and page[at] == _DASH and page[at + 1] == _GREATER:
        return at + 2
    while at + 2 < len(page):
        if page[at] == _DASH and page[at + 1] == _DASH:
            if page[at + 2] == _GREATER:
                return at + 3
            if at + 3 < len(page) and page[at + 2] == 33 and page[at + 3] == _GREATER:
                return at + 4
        at += 1
    return len(page)


@kernel
def put_character(text: NDArray[np.uint8], at: int, code: int) -> int:
    """Writes a code point as UTF-8 and returns the place after it."""
    if code < 0x80:
        text[at] = code
        return at + 1
    if code < 0x800:
        text[at], text[at + 1] = 0xC0 | (code >> 6), 0x80 | (code & 63)
        return at + 2
    if code < 0x10000:
        text[at], text[at + 1], text[at + 2] = 0xE0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)
        return at + 3
    text[at], text[at + 1] = 0xF0 | (code >> 18), 0x80 | ((code >> 12) & 63)
    text[at + 2], text[at + 3] = 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)
    return at + 4


@kernel
def read_reference(page: NDArray[np.uint8], at: int, end: int) -> tuple[int, int, int]:
    """The one or two code points (0: none) of the character reference at ``at``, an ampersand, and the place after it.

    What is no reference is an ampersand.
    """
    if at + 1 < end and page[at + 1] == _HASH:
        code, after = _number(page, at + 2, end)
        return (code, 0, after) if after else (_AMPERSAND, 0, at + 1)
    key = FNV_START
    place = at + 1
    found, after = -1, at + 1
    while place < end and place - at <= _LONGEST_NAME:
        byte = page[place]
        if not (97 <= (byte | 32) <= 122 or 48 <= byte <= 57):
            break
        key = (key ^ np.uint64(byte)) * FNV_PRIME
        place += 1
        if place - at <= 7:  # the longest name that may go without a semicolon has six letters
            slot = entity_slot(key)
            if slot >= 0 and ENTITY_VALUES[slot, 2]:
                found, after = slot, place
    if place < end and page[place] == _SEMICOLON and place > at + 1:
        slot = entity_slot(key)
        if slot >= 0:
            found, after = slot, place
        if found >= 0 and after == place:
            after += 1
    if found < 0:
        return _AMPERSAND, 0, at + 1
    return np.int64(ENTITY_VALUES[found, 0]), np.int64(ENTITY_VALUES[found, 1]), after


@kernel
def _number(page: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """The code point of a numeric reference whose digits or ``x`` start at ``at``, and the place after; 0 for none."""
    base = 10
    if at < end and (page[at] | 32) == 120:
        base = 16
        at += 1
    start, code = at, 0
    while at < end:
        digit = np.int64(page[at]) - 48
        if digit > 9:
            digit = (np.int64(page[at]) | 32) - 87
            if digit < 10:
                break
        if digit < 0 or digit >= base:
            break
        code = min(code * base + digit, 0x110000)
        at += 1
    if at == start:
        return 0, 0
    if at < end and page[at] == _SEMICOLON:
        at += 1
    if 0x80 <= code < 0xA0:
        code = np.int64(C1_CHARACTERS[code - 0x80])
    if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        code = _REPLACEMENT
    return code, at
