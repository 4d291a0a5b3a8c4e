"""Rules for Chinese text, where those made for English words do not reach. The definitions are ours.

Repetition, sentences and lines are measured over characters by the other modules; here stands what only Chinese needs.
The signals are measured for every text; thresholds/zh.yaml uses them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rules.characters import (
    CLOSING,
    DIGIT,
    GARBLED,
    HAN,
    LATIN_LOWER,
    LATIN_UPPER,
    PUNCTUATION,
    SEPARATOR,
    TERMINAL,
    WIDE_TERMINAL,
)
from rules.lines import ENDS_SENTENCE
from rules.segment import Segments, count, share, total, visible

SAMPLE = 1000  # Han characters of which the different ones are counted
LINE_OF_PROSE = 25  # Latin characters, ten Chinese ones: shorter lines are titles and entries


def measure(segments: Segments) -> dict[str, np.ndarray]:
    """One array a signal, one value a text; shares from 0 to 1 of the prose that is not white space.

    Code, formulas and tables hold no Han characters to speak of, and are no sign of another language or of keywords.
    """
    lines, prose, whole = segments.lines, segments.prose, visible(segments.prose)
    marks = count(prose, PUNCTUATION, TERMINAL, WIDE_TERMINAL, CLOSING)
    han = count(segments.histogram, HAN, GARBLED)
    long = lines.judged & (lines.width >= LINE_OF_PROSE)
    unfinished = total(long & ~lines.has(ENDS_SENTENCE), lines.first)
    distinct = _distinct_han(segments.codes, segments.kinds, segments.offsets, SAMPLE)
    return {
        "chinese.han": share(count(prose, HAN, GARBLED), whole),
        "chinese.latin_and_digits": share(count(prose, LATIN_UPPER, LATIN_LOWER, DIGIT), whole),
        "chinese.punctuation": share(marks, whole),
        "chinese.separators": share(count(prose, SEPARATOR), whole),
        # of the first thousand Han characters: how many are different ones
        "chinese.distinct_han": share(distinct, np.minimum(han, SAMPLE)),
        # of the lines long enough to be prose; 1 where there is none
        "chinese.sentence_lines": 1 - share(unfinished, total(long, lines.first)),
    }


@njit(cache=True, nogil=True)
def _distinct_han(codes: np.ndarray, kinds: np.ndarray, offsets: np.ndarray, sample: int) -> np.ndarray:
    """int64[texts]: different ones among the first ``sample`` Han characters."""
    seen_in = np.full(0x110000, -1, np.int32)
    counts = np.zeros(offsets.size - 1, np.int64)
    for text in range(offsets.size - 1):
        left = sample
        for i in range(offsets[text], offsets[text + 1]):
            if kinds[i] != HAN and kinds[i] != GARBLED:
                continue
            if seen_in[codes[i]] != text:
                seen_in[codes[i]] = text
                counts[text] += 1
            left -= 1
            if left == 0:
                break
    return counts
