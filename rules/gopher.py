"""Gopher's quality rules (Rae et al. 2021, appendix A.1.1).

They agree with datatrove's ``GopherQualityFilter`` when it is given our words, with these differences: punctuation is
no word, so the share of alphabetic words is higher than where each comma counts against it; shares of lines are shares
of the lines of prose, that is without blank lines, code, tables and formulas; "#" does not count as the mark of a
heading, nor "#" and "…" in code. A list's items are bullets where Markdown marks them, as Gopher's text has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from rules.characters import codes
from rules.hashing import hash_codes
from rules.lines import BULLET, ENDS_ELLIPSIS
from rules.segment import Segments, share, total

# English: Gopher's list. Chinese: the commonest function words of one character. They are compared as written.
STOP_WORDS = {
    "en": ("the", "be", "to", "of", "and", "that", "have", "with"),
    "zh": ("的", "是", "在", "了", "不", "和", "有", "我", "这", "這", "也", "就", "之", "与", "與", "为", "為", "以"),
}


def measure(segments: Segments, languages: Sequence[str]) -> dict[str, np.ndarray]:
    """One array a signal, one value a text; shares are from 0 to 1, lengths in characters."""
    words, lines = segments.words, segments.lines
    count = np.diff(words.first)
    prose = lines.prose
    judged = lines.judged
    judged_count = total(judged, lines.first)
    return {
        "gopher.words": count,
        "gopher.mean_word_length": share(total(words.end - words.start, words.first), count),
        "gopher.hash_ratio": share(total(lines.hash_signs * prose, lines.first), count),
        "gopher.ellipsis_ratio": share(total(lines.ellipses * prose, lines.first), count),
        "gopher.bullet_lines": share(total(lines.has(BULLET) & judged, lines.first), judged_count),
        "gopher.ellipsis_lines": share(total(lines.has(ENDS_ELLIPSIS) & judged, lines.first), judged_count),
        "gopher.alphabetic_words": share(total(words.alphabetic, words.first), count),
        "gopher.stop_words": _stop_words(segments, languages),
    }


def _stop_words(segments: Segments, languages: Sequence[str]) -> np.ndarray:
    """How many different stop words of its language each text holds; 0 where the language has no list."""
    language = np.array(languages, dtype=object)
    found = np.zeros(segments.texts, np.int64)
    for code, stop_words in STOP_WORDS.items():
        hashes = np.array([hash_codes(codes(word)) for word in stop_words], np.uint64)
        _count_distinct(segments.words.hash, segments.words.first, language == code, hashes, found)
    return found


@njit(cache=True, nogil=True)
def _count_distinct(
    hashes: np.ndarray, first: np.ndarray, selected: np.ndarray, wanted: np.ndarray, found: np.ndarray
) -> None:
    """found[text]: how many of the (at most 64) wanted hashes occur among the words of each selected text."""
    slots = np.full(256, -1, np.int64)  # by a hash's last byte; a clash goes to the next free slot
    for index in range(wanted.size):
        slot = np.int64(wanted[index] & np.uint64(255))
        while slots[slot] >= 0:
            slot = (slot + 1) & 255
        slots[slot] = index
    for text in range(selected.size):
        if not selected[text]:
            continue
        seen = np.zeros(wanted.size, np.bool_)
        for word in range(first[text], first[text + 1]):
            slot = np.int64(hashes[word] & np.uint64(255))
            while slots[slot] >= 0:
                if wanted[slots[slot]] == hashes[word]:
                    seen[slots[slot]] = True
                slot = (slot + 1) & 255
        found[text] = seen.sum()
