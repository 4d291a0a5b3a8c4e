"""Repetition inside a document: lines, paragraphs and n-grams (Rae et al. 2021, "Gopher", table A1).

The definitions are those of datatrove's ``GopherRepetitionFilter``, on our words and lines, but for this:

- Lines of code, tables and formulas are no duplicates: such lines repeat in sound text ("end", "| yes | no |").
- In scripts without spaces a word is one character, and no space is counted between two of them: an n-gram of Chinese
  characters is n characters long.
- Lines and paragraphs are compared without the space and the marks around their lines; neither marks nor blank lines
  count as characters.
- A paragraph ends at a blank line. Text with a paragraph a line, as the paper's, is one paragraph and repeats none.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rules.hashing import find_slot, table_size
from rules.lines import REPEATED
from rules.segment import Segments, share, total

TOP = (2, 3, 4)
DUPLICATED = (5, 6, 7, 8, 9, 10)

_BASE = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(29)


def measure(segments: Segments) -> dict[str, np.ndarray]:
    """Shares from 0 to 1, one array a signal, one value a text."""
    lines, paragraphs, words = segments.lines, segments.paragraphs, segments.words
    characters = segments.characters
    line_length, paragraph_length = lines.end - lines.start, paragraphs.end - paragraphs.start
    repeated = lines.has(REPEATED)
    gap = np.ones(len(words.start), np.int64)  # the space that joins a word to the next one
    gap[:-1] = ~(words.wide[:-1] & words.wide[1:])
    top, duplicated = _ngram_characters(
        words.hash, _running(words.end - words.start), _running(gap), words.first, np.array(TOP), np.array(DUPLICATED)
    )
    signals = {
        "repetition.duplicate_lines": share(total(repeated, lines.first), np.diff(lines.first)),
        "repetition.duplicate_line_characters": share(total(line_length * repeated, lines.first), characters),
        "repetition.duplicate_paragraphs": share(
            total(paragraphs.repeated, paragraphs.first), np.diff(paragraphs.first)
        ),
        "repetition.duplicate_paragraph_characters": share(
            total(paragraph_length * paragraphs.repeated, paragraphs.first), characters
        ),
    }
    for column, n in enumerate(TOP):
        signals[f"repetition.top_{n}_gram"] = share(top[:, column], characters)
    for column, n in enumerate(DUPLICATED):
        signals[f"repetition.duplicate_{n}_grams"] = share(duplicated[:, column], characters)
    return signals


def _running(values: np.ndarray) -> np.ndarray:
    """int64[n + 1]: sums of the first 0, 1, … n values."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    return sums


@njit(cache=True, nogil=True)
def _ngram_characters(
    hashes: np.ndarray,
    lengths: np.ndarray,
    gaps: np.ndarray,
    first: np.ndarray,
    top_orders: np.ndarray,
    duplicate_orders: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Characters in the most frequent n-gram's occurrences, and in n-grams that occurred before.

    ``lengths`` and ``gaps`` are running sums over the words. Returns int64[texts, orders] for either list of orders,
    which must follow each other without a hole.
    """
    texts = first.size - 1
    top = np.zeros((texts, top_orders.size), np.int64)
    duplicated = np.zeros((texts, duplicate_orders.size), np.int64)
    size = table_size(first)
    keys, owner = np.empty(size, np.uint64), np.full(size, -1, np.int64)
    counts, position = np.empty(size, np.int64), np.empty(size, np.int64)
    grams = hashes.copy()  # grams[i]: rolling hash of the n words from i on
    longest = duplicate_orders[-1]
    for text in range(texts):
        begin, stop = first[text], first[text + 1]
        slots = 2
        while slots < 2 * (stop - begin):
            slots *= 2
        for n in range(2, longest + 1):
            last = stop - n  # the last word that an n-gram starts at
            if last < begin:
                break
            for i in range(begin, last + 1):
                grams[i] = (grams[i] * _BASE + hashes[i + n - 1]) * _BASE
                grams[i] ^= grams[i] >> _FOLD
            current = text * (longest + 1) + n
            if n <= top_orders[-1]:
                best = _most_frequent(
                    grams, begin, last, current, keys[:slots], owner[:slots], counts[:slots], position[:slots]
                )
                gram = best[1]
                length = lengths[gram + n] - lengths[gram] + gaps[gram + n - 1] - gaps[gram]
                top[text, n - top_orders[0]] = best[0] * length
            else:
                duplicated[text, n - duplicate_orders[0]] = _repeated_characters(
                    grams, lengths, begin, last, n, current, keys[:slots], owner[:slots]
                )
    return top, duplicated


@njit(cache=True, nogil=True)
def _most_frequent(
    grams: np.ndarray,
    begin: int,
    last: int,
    current: int,
    keys: np.ndarray,
    owner: np.ndarray,
    counts: np.ndarray,
    position: np.ndarray,
) -> tuple[int, int]:
    """Count and first word of the most frequent n-gram; of several, the one that occurs first."""
    best_count, best_position = 0, begin
    for i in range(begin, last + 1):
        slot = find_slot(keys, owner, current, grams[i])
        if owner[slot] != current:
            owner[slot], keys[slot], counts[slot], position[slot] = current, grams[i], 0, i
        counts[slot] += 1
        if counts[slot] > best_count or (counts[slot] == best_count and position[slot] < best_position):
            best_count, best_position = counts[slot], position[slot]
    return best_count, best_position


@njit(cache=True, nogil=True)
def _repeated_characters(
    grams: np.ndarray,
    lengths: np.ndarray,
    begin: int,
    last: int,
    n: int,
    current: int,
    keys: np.ndarray,
    owner: np.ndarray,
) -> int:
    """Characters of the n-grams that occurred before; after a repeated one the search goes on behind it."""
    characters = 0
    i = begin
    while i <= last:
        slot = find_slot(keys, owner, current, grams[i])
        if owner[slot] == current:
            characters += lengths[i + n] - lengths[i]
            i += n
        else:
            owner[slot], keys[slot] = current, grams[i]
            i += 1
    return characters
