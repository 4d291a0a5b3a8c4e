"""What each block's text is like, from one pass over its bytes: tokens, letters, punctuation, both ends."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.columns import END, START
from pipeline.extraction.elements import FNV_PRIME, FNV_START, kernel

# Columns. TOKENS counts words, and single characters in scripts that are written without spaces; LENGTH is the number
# of letters, an ideograph counting 2.5; FIRST_CLASS and LAST_CLASS are classes of characters (below); TITLE_TOKENS
# those that stand in the page's title.
(
    TOKENS,
    LENGTH,
    LETTERS,
    UPPER,
    DIGITS,
    COMMAS,
    STOPS,
    ALONE,
    MARKS,
    SEPARATORS,
    LINES,
    FIRST_CLASS,
    LAST_CLASS,
    TITLE_TOKENS,
    SIGNS,
    QUESTIONS,
) = range(16)
MEASURES: Final = 16

OTHER, LOWER, CAPITAL, DIGIT, IDEOGRAPH, COMMA, STOP, COLON, SPACE_CLASS, SEPARATOR, SIGN = range(11)
_IDEOGRAPH_LENGTH: Final = 2.5
TITLE_SLOTS: Final = 256
TOKEN_BITS: Final = 15


@kernel
def _class_of(code: int) -> int:
    """The class of a code point, by ranges that cover the usual ones of each script."""
    if code < 0x80:
        if 97 <= code <= 122:
            return LOWER
        if 65 <= code <= 90:
            return CAPITAL
        if 48 <= code <= 57:
            return DIGIT
        if code <= 32:
            return SPACE_CLASS
        if code == 44:
            return COMMA
        if code == 46 or code == 33 or code == 63:
            return STOP
        if code == 58 or code == 59:
            return COLON
        if code == 124:
            return SEPARATOR
        if code == 95:
            return LOWER
        return SIGN if code == 64 or code == 36 else OTHER
    if code < 0xC0:
        return SEPARATOR if code == 0xAB or code == 0xBB or code == 0xB7 else SIGN if code == 0xA9 else OTHER
    if code < 0x2000:
        if 0x0E80 > code >= 0x0E00 or 0x1000 <= code < 0x10A0 or 0x1780 <= code < 0x1800 or 0x0E80 <= code < 0x0F00:
            return IDEOGRAPH
        if code == 0x60C or code == 0x61B:
            return COMMA
        if code == 0x61F or code == 0x6D4 or code == 0x964:
            return STOP
        capital = 0xC0 <= code < 0xDF or 0x391 <= code < 0x3AA or 0x400 <= code < 0x430
        return OTHER if code == 0xD7 or code == 0xF7 else CAPITAL if capital else LOWER
    if code < 0x2E80:
        return STOP if code == 0x2026 else SEPARATOR if code == 0x2022 or code == 0x203A else OTHER
    if 0x3000 <= code < 0x3040:
        return STOP if code == 0x3002 else COMMA if code == 0x3001 else OTHER
    if 0x3040 <= code < 0xA000 or 0xF900 <= code < 0xFB00:
        return IDEOGRAPH
    if 0xFF00 <= code < 0xFF66:
        if code == 0xFF0C:
            return COMMA
        if code == 0xFF01 or code == 0xFF1F or code == 0xFF0E:
            return STOP
        if 0xFF10 <= code < 0xFF1A:
            return DIGIT
        return LOWER if 0xFF21 <= code < 0xFF5B else COLON if code == 0xFF1A or code == 0xFF1B else OTHER
    return OTHER if code >= 0x1F000 and code < 0x20000 else LOWER


_ASCII_CLASSES = np.array([_class_of.py_func(code) for code in range(0x80)], np.uint8)


@kernel
def _decode(text: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """The code point at a place of UTF-8 text that is well formed, and the place after it."""
    byte = np.int64(text[at])
    if byte < 0x80:
        return byte, at + 1
    if byte < 0xE0:
        return ((byte & 31) << 6) | (np.int64(text[at + 1]) & 63), at + 2
    if byte < 0xF0:
        code = ((byte & 15) << 12) | ((np.int64(text[at + 1]) & 63) << 6) | (np.int64(text[at + 2]) & 63)
        return code, at + 3
    code = ((byte & 7) << 18) | ((np.int64(text[at + 1]) & 63) << 12)
    return code | ((np.int64(text[at + 2]) & 63) << 6) | (np.int64(text[at + 3]) & 63), at + 4


@kernel
def measure(
    text: NDArray[np.uint8],
    blocks: NDArray[np.int32],
    title: NDArray[np.uint64],
    measures: NDArray[np.float32],
    hashes: NDArray[np.uint64],
    words: NDArray[np.uint16],
) -> int:
    """Fills a row of ``measures`` for each block, a hash of its letters, and short hashes of its tokens one after
    another, whose number is returned. ``title``: see title_words."""
    count = 0
    for block in range(len(blocks)):
        hashes[block] = _measure(text, blocks[block, START], blocks[block, END], title, measures[block], words[count:])
        count += np.int64(measures[block, TOKENS])
    return count


@kernel
def _measure(
    text: NDArray[np.uint8],
    start: int,
    end: int,
    title: NDArray[np.uint64],
    row: NDArray[np.float32],
    words: NDArray[np.uint16],
) -> np.uint64:
    row[:] = 0
    whole, word, letters = FNV_START, FNV_START, 0
    at, first, last = start, -1, OTHER
    all_letters = upper = digits = marks = 0
    while at < end:
        byte = text[at]
        if byte < 0x80:
            code, kind = np.int64(byte), np.int64(_ASCII_CLASSES[byte])
            at += 1
            if code == 0:
                continue
        else:
            code, at = _decode(text, at)
            kind = _class_of(code)
        if LOWER <= kind <= DIGIT:
            folded = code + 32 if kind == CAPITAL and code < 0x430 and code != 0xD7 else code
            word = (word ^ np.uint64(folded)) * FNV_PRIME
            letters += 1
            upper += kind == CAPITAL
            digits += kind == DIGIT
            if kind != DIGIT:
                whole = (whole ^ np.uint64(code)) * FNV_PRIME
        else:
            if letters:
                _take_word(title, word, row, words)
                all_letters += letters
                word, letters = FNV_START, 0
            if kind == IDEOGRAPH:
                row[ALONE] += 1
                _take_word(title, (FNV_START ^ np.uint64(code)) * FNV_PRIME, row, words)
                whole = (whole ^ np.uint64(code)) * FNV_PRIME
            else:
                marks += kind != SPACE_CLASS
                if code != 32:
                    _count_mark(code, kind, row)
        if kind != SPACE_CLASS:
            last = kind
            if first < 0:
                first = kind
    if letters:
        _take_word(title, word, row, words)
    row[LETTERS], row[UPPER], row[DIGITS], row[MARKS] = all_letters + letters, upper, digits, marks
    row[LENGTH] = row[LETTERS] + _IDEOGRAPH_LENGTH * row[ALONE]
    row[FIRST_CLASS], row[LAST_CLASS] = max(0, first), last
    return whole


@kernel
def _count_mark(code: int, kind: int, row: NDArray[np.float32]) -> None:
    row[COMMAS] += kind == COMMA
    row[STOPS] += kind == STOP
    row[SEPARATORS] += kind == SEPARATOR
    row[SIGNS] += kind == SIGN
    row[LINES] += code == 10
    row[QUESTIONS] += code == 63 or code == 0xFF1F


@kernel
def _take_word(title: NDArray[np.uint64], word: np.uint64, row: NDArray[np.float32], words: NDArray[np.uint16]) -> None:
    words[np.int64(row[TOKENS])] = np.uint16((word >> np.uint64(32)) & np.uint64((1 << TOKEN_BITS) - 1))
    row[TOKENS] += 1
    row[TITLE_TOKENS] += _has_word(title, word)


@kernel
def _has_word(title: NDArray[np.uint64], word: np.uint64) -> int:
    slot = np.int64((word >> np.uint64(40)) & np.uint64(TITLE_SLOTS - 1))
    for _ in range(8):
        if title[slot] == word:
            return 1
        slot = (slot + 1) & (TITLE_SLOTS - 1)
    return 0


@kernel
def title_words(source: NDArray[np.uint8], start: int, end: int, title: NDArray[np.uint64]) -> int:
    """Enters the hashes of the words of source[start:end] in a table of TITLE_SLOTS; returns how many there are."""
    title[:] = 0
    word, letters, count = FNV_START, 0, 0
    at = start
    while at < end and count < TITLE_SLOTS // 2:
        code, at = _decode(source, at)
        kind = _class_of(code)
        if kind == IDEOGRAPH:
            count += _enter(title, (FNV_START ^ np.uint64(code)) * FNV_PRIME)
        elif LOWER <= kind <= DIGIT:
            folded = code + 32 if kind == CAPITAL and code < 0x430 and code != 0xD7 else code
            word = (word ^ np.uint64(folded)) * FNV_PRIME
            letters += 1
            continue
        if letters:
            count += _enter(title, word)
        word, letters = FNV_START, 0
    if letters:
        count += _enter(title, word)
    return count


@kernel
def _enter(title: NDArray[np.uint64], word: np.uint64) -> int:
    if _has_word(title, word):
        return 0
    slot = np.int64((word >> np.uint64(40)) & np.uint64(TITLE_SLOTS - 1))
    for _ in range(8):
        if title[slot] == 0:
            title[slot] = word
            return 1
        slot = (slot + 1) & (TITLE_SLOTS - 1)
    return 0
