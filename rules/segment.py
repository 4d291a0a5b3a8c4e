"""Words, lines and paragraphs of a batch of texts, found once for all rules.

The texts stand one behind the other in one array of code points; every position below is an index into it.

- A word is a run of letters, digits and their marks. An apostrophe between letters and a dot or comma between digits
  stay inside ("don't", "3.14"). In scripts without spaces (Han, kana, Thai …) each letter is a word of its own, so that
  n-grams of words are n-grams of characters there. Punctuation is no word.
- A line is what stands between newlines, without the space and the marks of Markdown around it (see rules/lines.py);
  blank lines are no lines.
- A paragraph is a run of lines without a blank line between them.
- Lengths are those of the lines, and one for each break between them: neither marks nor blank lines make a text longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from rules import characters
from rules.characters import (
    APOSTROPHE,
    CLOSING,
    DIGIT,
    GARBLED,
    LATIN_UPPER,
    MARK,
    SPACE,
    TERMINAL,
    UNSPACED,
    WIDE_TERMINAL,
)
from rules.hashing import SEED, add, join, repeats
from rules.lines import ENDS_ELLIPSIS, ENDS_SENTENCE, MARKUP, NEW_PARAGRAPH, REPEATED, find_lines

HASH_SIGN, COMMA, DOT, OPEN_CURLY, ELLIPSIS = (ord(sign) for sign in "#,.{…")


@dataclass(frozen=True, slots=True)
class Words:
    """Words of all texts; those of text d are rows first[d] to first[d + 1]."""

    start: np.ndarray  # int32
    end: np.ndarray  # int32
    hash: np.ndarray  # uint64
    alphabetic: np.ndarray  # bool: holds a letter
    wide: np.ndarray  # bool: a single letter of a script without spaces
    first: np.ndarray  # int64[texts + 1]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of all texts; those of text d are rows first[d] to first[d + 1]."""

    start: np.ndarray  # int32
    end: np.ndarray  # int32
    hash: np.ndarray  # uint64
    flags: np.ndarray  # uint8, see rules/lines.py
    words: np.ndarray  # int64
    first: np.ndarray  # int64[texts + 1]
    wide: np.ndarray  # int32: letters of scripts without spaces
    sentences: np.ndarray  # int32
    hash_signs: np.ndarray  # int32: "#"
    ellipses: np.ndarray  # int32: "..." and "…"
    curly: np.ndarray  # int32: "{"

    def has(self, flag: int) -> np.ndarray:
        return (self.flags & flag) != 0

    @property
    def prose(self) -> np.ndarray:
        return (self.flags & MARKUP) == 0

    @property
    def judged(self) -> np.ndarray:
        """Lines of prose by which a text is judged; none where most of its words stand in code, tables and formulas.

        What is left there are headings and captions: they are short and end in no sentence mark on any page.
        """
        in_prose, words = total(self.words * self.prose, self.first), total(self.words, self.first)
        return self.prose & np.repeat(2 * in_prose >= words, np.diff(self.first))

    @property
    def width(self) -> np.ndarray:
        """Length in Latin characters: a Chinese character says about as much as 2.5 of them."""
        return (self.end - self.start) + 1.5 * self.wide


@dataclass(frozen=True, slots=True)
class Paragraphs:
    """Paragraphs of all texts; those of text d are rows first[d] to first[d + 1]."""

    start: np.ndarray  # int32
    end: np.ndarray  # int32
    repeated: np.ndarray  # bool
    first: np.ndarray  # int64[texts + 1]


@dataclass(frozen=True, slots=True)
class Segments:
    """All that the rules read of a batch of texts."""

    codes: np.ndarray  # uint32[characters]
    kinds: np.ndarray  # uint8[characters]; marks are SPACE
    offsets: np.ndarray  # int64[texts + 1]
    histogram: np.ndarray  # int64[texts, KINDS]: characters of each kind
    prose: np.ndarray  # int64[texts, KINDS]: the same of the lines of prose; of all lines where none is prose
    words: Words
    lines: Lines
    paragraphs: Paragraphs

    @property
    def texts(self) -> int:
        return len(self.offsets) - 1

    @property
    def characters(self) -> np.ndarray:
        """Characters of each text: its lines, and one for each break between them."""
        lines = self.lines
        return total(lines.end - lines.start, lines.first) + np.maximum(np.diff(lines.first) - 1, 0)


def visible(histogram: np.ndarray) -> np.ndarray:
    """int64[texts]: characters but spaces."""
    return histogram.sum(axis=1) - histogram[:, SPACE]


def count(histogram: np.ndarray, *kinds: int) -> np.ndarray:
    """int64[texts]: characters of these kinds."""
    return histogram[:, list(kinds)].sum(axis=1)


def total(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Sum of the values of each text's rows (first[d] to first[d + 1]); 0 for a text without rows."""
    running = np.concatenate(([0], np.cumsum(values)))
    return running[first[1:]] - running[first[:-1]]


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; 0 where the whole is 0, so that an empty text has defined signals."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) != 0)


def segment(texts: Sequence[str]) -> Segments:
    """Find the words, lines and paragraphs of a batch of texts (fewer than 2^31 characters together)."""
    codes = characters.codes("".join(texts))
    kinds = characters.kinds()[codes]
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    start, end, flags, first = find_lines(codes, kinds, offsets)
    prose = (flags & MARKUP) == 0
    histogram, prose_histogram = _histogram(kinds, start, end, first, prose)
    words = Words(*_find_words(codes, kinds, offsets, int(count(histogram, *range(LATIN_UPPER, DIGIT + 1)).sum())))
    hashes, details = _describe_lines(codes, kinds, start, end, flags)
    flags[repeats(hashes, prose, first)] |= REPEATED
    line_words = np.searchsorted(words.start, end) - np.searchsorted(words.start, start)
    lines = Lines(start, end, hashes, flags, line_words, first, *details)
    return Segments(codes, kinds, offsets, histogram, prose_histogram, words, lines, _paragraphs(lines))


def _paragraphs(lines: Lines) -> Paragraphs:
    """Join lines into paragraphs; a paragraph is repeated when its lines are the same as an earlier one's."""
    heads = np.flatnonzero(lines.has(NEW_PARAGRAPH))
    last = np.append(heads[1:], len(lines.start))[: len(heads)] - 1
    first = np.searchsorted(heads, lines.first)
    hashes = join(lines.hash, heads, last)
    repeated = repeats(hashes, np.ones(len(heads), np.bool_), first)
    return Paragraphs(lines.start[heads], lines.end[last], repeated, first)


@njit(cache=True, nogil=True)
def _histogram(
    kinds: np.ndarray, start: np.ndarray, end: np.ndarray, first: np.ndarray, prose: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Characters of each kind in the lines of each text, and in those of prose (in all, where none is prose)."""
    counts = np.zeros((first.size - 1, characters.KINDS), np.int64)
    of_prose = np.zeros((first.size - 1, characters.KINDS), np.int64)
    for text in range(first.size - 1):
        any_prose = prose[first[text] : first[text + 1]].any()
        for line in range(first[text], first[text + 1]):
            judged = prose[line] or not any_prose
            for i in range(start[line], end[line]):
                counts[text, kinds[i]] += 1
                of_prose[text, kinds[i]] += judged
    return counts, of_prose


@njit(cache=True, nogil=True)
def _is_word(kind: int) -> bool:
    return LATIN_UPPER <= kind <= DIGIT


@njit(cache=True, nogil=True)
def _is_letter(kind: int) -> bool:
    return LATIN_UPPER <= kind < DIGIT


@njit(cache=True, nogil=True)
def _is_wide(kind: int) -> bool:
    return UNSPACED <= kind <= GARBLED


@njit(cache=True, nogil=True)
def _joins_word(codes: np.ndarray, kinds: np.ndarray, i: int, stop: int) -> bool:
    """Is the sign at i, which follows a letter, a digit or a mark, inside a word that goes on behind it?"""
    if i + 1 >= stop:
        return False
    before, after = kinds[i - 1], kinds[i + 1]
    if before == DIGIT:
        return after == DIGIT and codes[i] in (DOT, COMMA)
    return (
        kinds[i] == APOSTROPHE and (_is_letter(before) or before == MARK) and _is_letter(after) and not _is_wide(after)
    )


@njit(cache=True, nogil=True)
def _word_end(codes: np.ndarray, kinds: np.ndarray, i: int, stop: int) -> int:
    """Where the word ends whose first character stands at i."""
    wide = _is_wide(kinds[i])
    i += 1
    while i < stop:
        kind = kinds[i]
        inside = kind == MARK or (not wide and _is_word(kind) and not _is_wide(kind))
        if not inside and (wide or not _joins_word(codes, kinds, i, stop)):
            break
        i += 1
    return i


@njit(cache=True, nogil=True)
def _find_words(codes: np.ndarray, kinds: np.ndarray, offsets: np.ndarray, capacity: int) -> tuple[np.ndarray, ...]:
    start, end = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    hashes = np.empty(capacity, np.uint64)
    alphabetic, wide = np.empty(capacity, np.bool_), np.empty(capacity, np.bool_)
    first = np.zeros(offsets.size, np.int64)
    n = 0
    for text in range(offsets.size - 1):
        i, stop = offsets[text], offsets[text + 1]
        while i < stop:
            if not _is_word(kinds[i]):
                i += 1
                continue
            tail = _word_end(codes, kinds, i, stop)
            digest = SEED
            letters = 0
            for k in range(i, tail):
                digest = add(digest, codes[k])
                letters += _is_letter(kinds[k])
            start[n], end[n], hashes[n] = i, tail, digest
            alphabetic[n], wide[n] = letters > 0, _is_wide(kinds[i])
            n += 1
            i = tail
        first[text + 1] = n
    return start[:n], end[:n], hashes[:n], alphabetic[:n], wide[:n], first


@njit(cache=True, nogil=True)
def _ends_ellipsis(codes: np.ndarray, start: int, end: int) -> bool:
    if codes[end - 1] == ELLIPSIS:
        return True
    return end - start >= 3 and codes[end - 1] == DOT and codes[end - 2] == DOT and codes[end - 3] == DOT


@njit(cache=True, nogil=True)
def _describe_lines(
    codes: np.ndarray, kinds: np.ndarray, start: np.ndarray, end: np.ndarray, flags: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Hash and counts of each line (in the order of ``Lines``); sets the flags that its ends decide."""
    lines = start.size
    hashes = np.empty(lines, np.uint64)
    wide, sentences = np.zeros(lines, np.int32), np.zeros(lines, np.int32)
    hash_signs, ellipses, curly = np.zeros(lines, np.int32), np.zeros(lines, np.int32), np.zeros(lines, np.int32)
    for line in range(lines):
        digest = SEED
        ended = 0  # after a sentence mark and the quotes behind it: the mark's kind
        dots = 0
        for i in range(start[line], end[line]):
            code, kind = codes[i], kinds[i]
            digest = add(digest, code)
            if kind in (TERMINAL, WIDE_TERMINAL):
                ended = max(ended, kind)
            elif ended != 0 and kind != CLOSING and kind != APOSTROPHE:
                sentences[line] += ended == WIDE_TERMINAL or kind == SPACE
                ended = 0
            wide[line] += _is_wide(kind)
            hash_signs[line] += code == HASH_SIGN
            curly[line] += code == OPEN_CURLY
            dots = dots + 1 if code == DOT else 0
            ellipses[line] += code == ELLIPSIS or (dots > 0 and dots % 3 == 0)
        hashes[line] = digest
        sentences[line] += 1  # the last one, with or without its mark
        if ended != 0:
            flags[line] |= ENDS_SENTENCE
        if _ends_ellipsis(codes, start[line], end[line]):
            flags[line] |= ENDS_ELLIPSIS
    return hashes, (wide, sentences, hash_signs, ellipses, curly)
