"""Which lines hold which fixed phrases: one pass of an Aho-Corasick automaton over a batch's lines.

The phrases stand in phrases.yaml, in named groups. Case does not matter; a phrase may stand anywhere in a line, but
where it begins or ends with a Latin letter or a digit, none may touch it there ("log in" is not in "blog index").
"""

from __future__ import annotations

import functools
from collections import deque
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from numba import njit

from rules.characters import DIGIT, LATIN_LOWER, LATIN_UPPER
from rules.segment import Segments

_FILE = Path(__file__).with_name("phrases.yaml")


class Automaton(NamedTuple):
    """The phrases as a table machine; state 0 is the start."""

    symbols: np.ndarray  # uint16[0x110000]: the symbol of each code point, 0 where it stands in no phrase
    transitions: np.ndarray  # uint16[states, symbols]: the next state
    groups: np.ndarray  # uint32[states]: bits of the groups of the phrase that ends in this state, 0 where none does
    lengths: np.ndarray  # int64[states]: characters of that phrase
    shorter: np.ndarray  # uint16[states]: the next shorter phrase that ends here as well, 0 where there is none


@functools.cache
def _phrases() -> dict[str, list[str]]:
    return yaml.safe_load(_FILE.read_text(encoding="utf-8"))


def has(masks: np.ndarray, group: str) -> np.ndarray:
    """bool a line: it holds a phrase of the group; ``masks`` comes from ``find_phrases``."""
    return (masks >> np.uint32(list(_phrases()).index(group))) & 1 == 1


def find_phrases(segments: Segments) -> np.ndarray:
    """uint32[lines]: a bit for each group of which the line holds a phrase."""
    lines = segments.lines
    return _scan(segments.codes, segments.kinds, lines.start, lines.end, *automaton())


@functools.cache
def automaton() -> Automaton:
    """The automaton of phrases.yaml, built once a process."""
    groups = _phrases()
    alphabet = sorted({sign for phrases in groups.values() for phrase in phrases for sign in phrase.lower()})
    symbols = np.zeros(0x110000, np.uint16)
    for number, sign in enumerate(alphabet, start=1):
        symbols[ord(sign)] = number
        if len(sign.upper()) == 1:
            symbols[ord(sign.upper())] = number
    children: list[dict[int, int]] = [{}]
    ends: dict[int, tuple[int, int]] = {}  # state -> bits of groups, length
    for bit, phrases in enumerate(groups.values()):
        for phrase in phrases:
            state = 0
            for sign in phrase.lower():
                if (symbol := int(symbols[ord(sign)])) not in children[state]:
                    children[state][symbol] = len(children)
                    children.append({})
                state = children[state][symbol]
            ends[state] = (ends.get(state, (0, 0))[0] | 1 << bit, len(phrase))
    return _close(symbols, children, ends, len(alphabet) + 1)


def _close(
    symbols: np.ndarray, children: list[dict[int, int]], ends: dict[int, tuple[int, int]], width: int
) -> Automaton:
    """Fill in what happens where a phrase does not go on: the longest suffix that begins another one is followed."""
    states = len(children)
    transitions = np.zeros((states, width), np.uint16)
    suffix = np.zeros(states, np.int64)
    groups, lengths = np.zeros(states, np.uint32), np.zeros(states, np.int64)
    shorter = np.zeros(states, np.uint16)
    for state, (bits, length) in ends.items():
        groups[state], lengths[state] = bits, length
    queue = deque([0])
    while queue:  # breadth first: a suffix is shorter, so its row is complete
        state = queue.popleft()
        if state:
            transitions[state] = transitions[suffix[state]]
            shorter[state] = suffix[state] if groups[suffix[state]] else shorter[suffix[state]]
        for symbol, child in children[state].items():
            suffix[child] = transitions[state, symbol]  # still the suffix's way: the own one is entered next
            transitions[state, symbol] = child
            queue.append(child)
    return Automaton(symbols, transitions, groups, lengths, shorter)


@njit(cache=True, nogil=True)
def _is_latin(kind: int) -> bool:
    return kind in (LATIN_LOWER, LATIN_UPPER, DIGIT)


@njit(cache=True, nogil=True)
def _scan(
    codes: np.ndarray,
    kinds: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    symbols: np.ndarray,
    transitions: np.ndarray,
    groups: np.ndarray,
    lengths: np.ndarray,
    shorter: np.ndarray,
) -> np.ndarray:
    masks = np.zeros(start.size, np.uint32)
    for line in range(start.size):
        state = np.uint16(0)
        for i in range(start[line], end[line]):
            state = transitions[state, symbols[codes[i]]]
            found = state if groups[state] != 0 else shorter[state]
            while found != 0:
                head = i + 1 - lengths[found]
                touched = head > start[line] and _is_latin(kinds[head]) and _is_latin(kinds[head - 1])
                touched |= i + 1 < end[line] and _is_latin(kinds[i]) and _is_latin(kinds[i + 1])
                if not touched:
                    masks[line] |= groups[found]
                found = shorter[found]
    return masks
