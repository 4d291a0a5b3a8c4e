"""Pages that are no text: empty ones, advertising, log-in prompts, errors, differences of versions, odd structures.

The dots.llm1 report (section 4.1) names these kinds of rules without their definitions; the definitions here are ours.
Phrases stand in phrases.yaml. Signals are shares from 0 to 1 unless their comment says otherwise. Symbols and capitals
are counted in prose, as code and formulas are full of them on good pages; digits everywhere, as a page of numbers is no
text in a table either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numba import njit

from rules.characters import (
    BROKEN,
    DIGIT,
    GARBLED,
    HAN,
    LATIN_LOWER,
    LATIN_UPPER,
    LETTER,
    NEWLINE,
    PUNCTUATION,
    SEPARATOR,
    SPACE,
    SYMBOL,
    UNSPACED,
)
from rules.lines import ENDS_SENTENCE
from rules.phrases import find_phrases, has
from rules.segment import Segments, count, segment, share, total, visible

LONG_WORD = 80  # characters without a space: encoded data, minified code, chains of addresses
SHORT_ENTRY = 40  # Latin characters: the width of an entry in a list of links
SHORTEST_RUN = 5  # so many entries one after the other make a list
TITLE_LINE = 120  # the first line stands for a missing title when it is no longer than this

Optionals = Sequence[str | None] | None

_PLUS, _DASH = ord("+"), ord("-")

# Addresses of what a reader does on a site, not of what he reads there.
_ACTION_URL = re.compile(
    r"/(?:wp-)?(?:login|signin|sign-in|log-in|signup|sign-up|register|logout|cart|basket|checkout|wishlist|compare"
    r"|password|account|profile/edit|advanced_?search|search|printthread|newreply|sendmessage)"
    r"(?:\.(?:php|aspx?|jsp|do|html?))?(?:[/?#]|$)"
    r"|[?&](?:action=(?:edit|history|login|register|diff)|diff=\d|oldid=\d|replytocom=\d|add-to-cart=|do=(?:login|register|search))",
    re.IGNORECASE,
)


def measure(segments: Segments, phrases: np.ndarray, urls: Optionals, titles: Optionals) -> dict[str, np.ndarray]:
    """One array a signal, one value a text. ``phrases``: the groups of phrases that each line holds."""
    lines = segments.lines
    line_count = np.diff(lines.first)
    whole, prose = visible(segments.histogram), visible(segments.prose)
    letters = count(segments.prose, LATIN_UPPER, LATIN_LOWER, LETTER, UNSPACED, HAN, GARBLED)
    longest_line = np.zeros(segments.texts)
    np.maximum.at(longest_line, np.repeat(np.arange(segments.texts), line_count), lines.end - lines.start)
    return {
        "pages.characters": whole,  # a number: letters, digits and signs, without white space
        "pages.advertisements": share(total(has(phrases, "advertisement"), lines.first), line_count),
        "pages.registration_prompts": share(total(has(phrases, "registration"), lines.first), line_count),
        "pages.teasers": share(total(has(phrases, "teaser"), lines.first), line_count),
        **_title_signals(segments, phrases, titles),
        "pages.action_url": np.array([bool(_ACTION_URL.search(url or "")) for url in urls or [""] * segments.texts]),
        "pages.diff_lines": _diff_lines(segments, phrases),
        "pages.list_entries": share(_list_entries(segments), line_count),
        "pages.longest_line": longest_line,  # a number of characters
        "pages.long_words": share(_long_words(segments.kinds, segments.offsets, LONG_WORD), whole),
        "pages.broken_characters": share(_broken(segments.codes, segments.kinds, segments.offsets), whole),
        "pages.digits": share(count(segments.histogram, DIGIT), whole),
        "pages.symbols": share(count(segments.prose, PUNCTUATION, SEPARATOR, SYMBOL), prose),
        "pages.upper_case": share(count(segments.prose, LATIN_UPPER), letters),
    }


def _title_signals(segments: Segments, phrases: np.ndarray, titles: Optionals) -> dict[str, np.ndarray]:
    """0 or 1 each: the title names an error, or a trade that lives on spam; separators in the title (a number).

    Without a title the first line of the text is taken, if it is short enough to be one.
    """
    lines = segments.lines
    found = segment([(title or "").replace("\n", " ") for title in titles or [""] * segments.texts])
    masks = np.zeros(segments.texts, np.uint32)
    masks[np.diff(found.lines.first) > 0] = find_phrases(found)
    untitled = np.flatnonzero((np.diff(found.lines.first) == 0) & (np.diff(lines.first) > 0))
    head = lines.first[untitled]
    is_title = lines.width[head] <= TITLE_LINE
    masks[untitled[is_title]] = phrases[head[is_title]]
    return {
        "pages.error_title": has(masks, "error"),
        "pages.spam_title": has(masks, "spam_title"),
        "pages.title_separators": count(found.histogram, SEPARATOR),
    }


def _diff_lines(segments: Segments, phrases: np.ndarray) -> np.ndarray:
    """Share of lines that are marks of a version difference: its headers, and + or - lines where there is a header."""
    lines = segments.lines
    header = has(phrases, "diff") & lines.prose
    first = segments.codes[lines.start]
    changed = ((first == _PLUS) | (first == _DASH)) & lines.prose & ~header
    headers, changes = total(header, lines.first), total(changed, lines.first)
    return share(headers + np.where(headers > 0, changes, 0), np.diff(lines.first))


def _list_entries(segments: Segments) -> np.ndarray:
    """Lines of each text that stand in a run of short lines without a sentence mark: menus, indexes, lists of links."""
    lines = segments.lines
    entry = lines.judged & (lines.width <= SHORT_ENTRY) & ~lines.has(ENDS_SENTENCE)
    return _lines_in_runs(entry, lines.first, SHORTEST_RUN)


@njit(cache=True, nogil=True)
def _lines_in_runs(marked: np.ndarray, first: np.ndarray, shortest: int) -> np.ndarray:
    """int64[texts]: marked lines that stand in runs of at least ``shortest`` of them."""
    counts = np.zeros(first.size - 1, np.int64)
    for text in range(first.size - 1):
        run = 0
        for line in range(first[text], first[text + 1]):
            run = run + 1 if marked[line] else 0
            if run == shortest:
                counts[text] += shortest
            elif run > shortest:
                counts[text] += 1
    return counts


@njit(cache=True, nogil=True)
def _long_words(kinds: np.ndarray, offsets: np.ndarray, limit: int) -> np.ndarray:
    """int64[texts]: characters of runs longer than ``limit`` without white space or a letter of an unspaced script."""
    counts = np.zeros(offsets.size - 1, np.int64)
    for text in range(offsets.size - 1):
        run = 0
        for i in range(offsets[text], offsets[text + 1]):
            kind = kinds[i]
            inside = kind != SPACE and kind != NEWLINE and not UNSPACED <= kind <= GARBLED
            run = run + 1 if inside else 0
            if run == limit + 1:
                counts[text] += run
            elif run > limit:
                counts[text] += 1
    return counts


@njit(cache=True, nogil=True)
def _broken(codes: np.ndarray, kinds: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """int64[texts]: characters that a wrong decoding left behind.

    Control, private and replacement characters; Han characters that UTF-8 read as GBK turns into; Ã, Â or â before
    a character from U+0080 to U+00BF or the euro sign, which UTF-8 read as Windows-1252 turns into.
    """
    counts = np.zeros(offsets.size - 1, np.int64)
    for text in range(offsets.size - 1):
        for i in range(offsets[text], offsets[text + 1]):
            code, kind = codes[i], kinds[i]
            if kind in (BROKEN, GARBLED):
                counts[text] += 1
            elif (code == 0xC3 or code == 0xC2 or code == 0xE2) and i + 1 < offsets[text + 1]:
                follows = codes[i + 1]
                counts[text] += 2 * (0x80 <= follows <= 0xBF or follows == 0x20AC)
    return counts
