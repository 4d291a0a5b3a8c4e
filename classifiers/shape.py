"""The shape of a text: what can be seen of its form without knowing a word, for the web-type and quality models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from classifiers.features import CAPITAL, DIGIT, IDEOGRAPH, SEPARATOR, character_tables, class_of, decode_at, to_bytes

SHAPES = (
    "log_characters",
    "log_lines",
    "log_line_length",
    "punctuation",  # share of the characters
    "capitals",
    "digits",
    "ideographs",
    "word_length",  # mean, of words in letters
    "distinct_words",  # share of the words, by a table of 2**14 slots
    "short_lines",  # share of the lines under 40 characters (20 with ideographs)
    "closed_lines",  # share of the lines that end with a mark that ends a sentence
)
_CLOSING = np.array(sorted(map(ord, ".!?;:。！？；：…”\"')）」』")), np.int64)
_SLOT_BITS = 14


def measure_shape(texts: Sequence[str]) -> NDArray[np.float32]:
    """float32 [n, 11]: the values named in ``SHAPES`` for the first 4,000 characters of each text."""
    data, offsets = to_bytes(texts)
    return _measure(data, offsets, character_tables()[0], _CLOSING)


@njit(cache=True, nogil=True)
def _is_closing(code: int, closing: NDArray[np.int64]) -> bool:
    place = np.searchsorted(closing, code)
    return bool(place < len(closing) and closing[place] == code)


@njit(cache=True, nogil=True)
def _is_new(word: int, slots: NDArray[np.int64], text: int) -> bool:
    """Whether this text had no word in the slot of ``word`` before; marks the slot."""
    slot = (word * 2654435761 >> 8) & (len(slots) - 1)
    new = slots[slot] != text
    slots[slot] = text
    return new


@njit(cache=True, nogil=True)
def _measure(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], classes: NDArray[np.uint8], closing: NDArray[np.int64]
) -> NDArray[np.float32]:
    out = np.zeros((len(offsets) - 1, 11), np.float32)
    slots = np.full(1 << _SLOT_BITS, -1, np.int64)  # the last text that used a slot
    for i in range(len(out)):
        at, stop = offsets[i], offsets[i + 1]
        characters = spaces = punctuation = capitals = digits = ideographs = letters = words = distinct = 0
        lines = short = closed = line_length = line_ideographs = last = 0
        word = 0
        while at <= stop:
            code, width, kind = 10, 1, SEPARATOR  # the end of the text closes the last word and line
            if at < stop:
                code, width = decode_at(data, at)
                kind = class_of(code, classes)
            at += width
            if kind != SEPARATOR and kind != IDEOGRAPH:
                word = (word * 31 + code + 1) & 0xFFFFFFFF
                letters += 1
            elif word:
                words += 1
                distinct += _is_new(word, slots, i)
                word = 0
            if kind == IDEOGRAPH:
                words += 1
                distinct += _is_new(code, slots, i)
            if code == 10:
                if line_length:
                    lines += 1
                    short += line_length < (20 if line_ideographs else 40)
                    closed += _is_closing(last, closing)
                line_length = line_ideographs = 0
                continue
            characters += 1
            if code <= 32 or code == 0xA0 or code == 0x3000:
                spaces += 1
                continue
            line_length += 1
            last = code
            punctuation += kind == SEPARATOR
            capitals += kind == CAPITAL
            digits += kind == DIGIT
            ideographs += kind == IDEOGRAPH
            line_ideographs += kind == IDEOGRAPH
        visible = max(characters - spaces, 1)
        out[i, 0] = np.log(1 + characters)
        out[i, 1] = np.log(1 + lines)
        out[i, 2] = np.log(1 + visible / max(lines, 1))
        out[i, 3] = punctuation / visible
        out[i, 4] = capitals / visible
        out[i, 5] = digits / visible
        out[i, 6] = ideographs / visible
        out[i, 7] = letters / max(words - ideographs, 1)
        out[i, 8] = distinct / max(words, 1)
        out[i, 9] = short / max(lines, 1)
        out[i, 10] = closed / max(lines, 1)
    return out
