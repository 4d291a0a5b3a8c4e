"""Personal data: e-mail addresses, telephone numbers, Chinese identity numbers and public IPv4 addresses.

A kernel finds the few places that could be one of them; regular expressions and checksums judge these. A run's setting
``pii`` says what becomes of them: "mask" puts ``mask(text)`` into the shards, "drop" drops the documents for which
``found`` is true, "off" does nothing. Lists of people are dropped by thresholds whatever the setting.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from rules import characters
from rules.characters import DIGIT, LATIN_LOWER, LATIN_UPPER
from rules.segment import Segments, share

KINDS = ("email", "phone", "id_number", "ip_address")

_EMAIL = re.compile(
    r"[A-Za-z0-9](?:[\w.%+-]*[\w%+-])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}", re.ASCII
)
_NUMBER = re.compile(
    r"(?P<id_number>(?<!\d)[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![\dA-Za-z]))"
    r"|(?P<ip_address>(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d))"
    r"|(?P<phone>(?<![\d.])(?:"
    r"\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"  # with the country's code
    r"|1[3-9]\d[ -]?\d{4}[ -]?\d{4}"  # Chinese mobile
    r"|\(?0\d{1,4}\)?[ /-]\d{3,4}[ -]?\d{3,5}|[48]00[ -]\d{3}[ -]?\d{4}"  # area code first, as in China and Europe
    r"|(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}"  # North America
    r")(?!\.?\d|[A-Za-z_]))",
    re.ASCII,
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_AT, _DOT, _PLUS, _DASH, _UNDERSCORE, _PERCENT, _OPEN = (ord(sign) for sign in "@.+-_%(")
_JOINS = tuple(ord(sign) for sign in " -.()/")


class Item(NamedTuple):
    """One item of personal data in a text: characters start to end, and which of ``KINDS`` it is."""

    start: int
    end: int
    kind: str


def find(text: str) -> list[Item]:
    """The personal data of a text, in order and without overlap."""
    codes = characters.codes(text)
    candidates = _candidates(codes, characters.kinds()[codes], np.array([0, len(codes)]))
    return [item for _, start, end in candidates for item in _judge(text[start:end], start)]


def mask(text: str) -> str:
    """The text with each item of personal data replaced by its kind in brackets: [email], [phone] …"""
    pieces: list[str] = []
    position = 0
    for item in find(text):
        pieces += text[position : item.start], f"[{item.kind}]"
        position = item.end
    return "".join(pieces) + text[position:]


def measure(segments: Segments, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Counts of each kind, of all kinds, and of all kinds in a thousand words."""
    counts = np.zeros((segments.texts, len(KINDS)), np.int64)
    for text, start, end in _candidates(segments.codes, segments.kinds, segments.offsets):
        for item in _judge(texts[text][start:end], start):
            counts[text, KINDS.index(item.kind)] += 1
    items = counts.sum(axis=1)
    return {
        **{
            f"pii.{kind}s" if kind != "ip_address" else "pii.ip_addresses": counts[:, k] for k, kind in enumerate(KINDS)
        },
        "pii.items": items,
        "pii.items_per_1000_words": 1000 * share(items, np.diff(segments.words.first)),
    }


def found(signals: pa.Table) -> list[bool]:
    """Whether each document holds personal data, by its signals."""
    return (signals["pii.items"].to_numpy() > 0).tolist()


def _judge(candidate: str, offset: int) -> list[Item]:
    if "@" in candidate:
        match = _EMAIL.search(candidate)
        return [Item(offset + match.start(), offset + match.end(), "email")] if match else []
    matches = [(match, str(match.lastgroup)) for match in _NUMBER.finditer(candidate)]
    return [
        Item(offset + match.start(), offset + match.end(), kind) for match, kind in matches if _is_valid(match[0], kind)
    ]


def _is_valid(number: str, kind: str) -> bool:
    if kind == "id_number":
        checksum = sum(int(digit) * weight for digit, weight in zip(number, _ID_WEIGHTS, strict=False))
        return "10X98765432"[checksum % 11] == number[17].upper()
    if kind == "ip_address":
        try:
            return ipaddress.IPv4Address(number).is_global
        except ValueError:
            return False
    return 9 <= sum(sign.isdigit() for sign in number) <= 15


@njit(cache=True, nogil=True)
def _is_latin(kind: int) -> bool:
    return kind in (LATIN_LOWER, LATIN_UPPER, DIGIT)


@njit(cache=True, nogil=True)
def _is_local(code: int, kind: int) -> bool:
    """May this character stand before the @ of an address?"""
    return _is_latin(kind) or code in (_DOT, _DASH, _UNDERSCORE, _PLUS, _PERCENT)


@njit(cache=True, nogil=True)
def _address(codes: np.ndarray, kinds: np.ndarray, at: int, begin: int, stop: int) -> tuple[int, int]:
    """The span of what could be an address around an @; lengths are limited as in RFC 5321."""
    start, end = at, at + 1
    while start > max(begin, at - 64) and _is_local(codes[start - 1], kinds[start - 1]):
        start -= 1
    while end < min(stop, at + 256) and (_is_latin(kinds[end]) or codes[end] in (_DOT, _DASH)):
        end += 1
    return start, end


@njit(cache=True, nogil=True)
def _number(codes: np.ndarray, kinds: np.ndarray, i: int, stop: int) -> tuple[int, bool]:
    """Where the group of digits that begins at i ends, and whether it is long enough to be judged.

    Up to two signs of ``_JOINS`` may stand between two digits.
    """
    last, digits, dots = i, 0, 0
    while i < stop and (kinds[i] == DIGIT or (i - last <= 2 and codes[i] in _JOINS)):
        if kinds[i] == DIGIT:
            digits += 1
            last = i
        dots += codes[i] == _DOT
        i += 1
    return last + 1, digits >= 7 or (digits >= 4 and dots >= 3)


@njit(cache=True, nogil=True)
def _candidates(codes: np.ndarray, kinds: np.ndarray, offsets: np.ndarray) -> list[tuple[int, int, int]]:
    """Text, start and end (in its text) of what could be an address, or a number of seven digits or with three dots.

    A number that touches an address is part of it; one behind a Latin letter or _ is part of a name.
    """
    found = [(0, 0, 0) for _ in range(0)]  # empty, but of a known type
    for text in range(offsets.size - 1):
        begin, stop = offsets[text], offsets[text + 1]
        i = begin
        while i < stop:
            if codes[i] == _AT and i + 1 < stop and _is_latin(kinds[i + 1]):
                start, end = _address(codes, kinds, i, begin, stop)
                while len(found) > 0 and found[-1][0] == text and found[-1][2] + begin > start:
                    found.pop()
                found.append((text, start - begin, end - begin))
                i = end
            elif kinds[i] == DIGIT:
                end, long = _number(codes, kinds, i, stop)
                start = i
                while start > max(begin, i - 2) and codes[start - 1] in (_OPEN, _PLUS):
                    start -= 1
                named = start > begin and (_is_latin(kinds[start - 1]) or codes[start - 1] == _UNDERSCORE)
                if long and not named:
                    # with one more character: the X that ends some identity numbers, or a letter that forbids a number
                    found.append((text, start - begin, min(end + 1, stop) - begin))
                i = end
            else:
                i += 1
    return found
