"""Near dedup: MinHash over 5-grams of words, 2,048 values in 128 bands of 16 rows (dots.llm1 report, section 4.1).

Two documents whose sets of 5-grams have Jaccard similarity s share a band's key with probability 1-(1-s^16)^128: 0.036
at 0.6, 0.725 at 0.75, 0.974 at 0.8. A document is dropped if and only if a better-ranked one shares one of its keys.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.dedup import segment
from pipeline.dedup.ranking import groups

BANDS, ROWS, NGRAM = 128, 16, 5  # the report's

GAP, LETTER, ALONE, HAN = range(4)  # between words; part of a word; a word of its own; in a run that jieba cuts
# Scripts without spaces between words, beside the Han characters that jieba's dictionary knows.
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han, extension A
    (0x9FD6, 0x9FFF),
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9D),  # halfwidth kana
)


def signatures(texts: Sequence[str], bands: int = BANDS, rows: int = ROWS, ngram: int = NGRAM) -> np.ndarray:
    """Keys of each text's bands, uint64 [n, bands].

    Words are jieba's for Chinese characters, in whatever language's page they stand, characters for other scripts
    without spaces, and runs of letters and digits, lower case, for all others. A text with fewer than ``ngram`` words
    is one shingle; a text without words stands for itself.
    """
    factors, terms = _permutations(bands * rows)
    keys = np.empty((len(texts), bands), np.uint64)
    for text, own in zip(texts, keys, strict=True):
        _band_keys(shingles(text, ngram), factors, terms, rows, own)
    return keys


def shingles(text: str, ngram: int = NGRAM) -> np.ndarray:
    """Hashes of the text's n-grams of words, uint32 [≥ 1], repeated ones included."""
    codes = segment.codes(text.lower())
    words = _word_hashes(codes, _classes(), segment.dictionary())
    return _ngram_hashes(words if words.size else _hash_of(codes), ngram)


@cache
def _classes() -> np.ndarray:
    """Class of each code point below 0x20000; those above are ideographs."""
    classes = np.full(0x20000, GAP, np.uint8)
    for code in range(0x20000):
        if chr(code).isalnum() or unicodedata.category(chr(code))[0] == "M":
            classes[code] = LETTER
    for first, last in UNSPACED:
        classes[first : last + 1][classes[first : last + 1] == LETTER] = ALONE
    classes[segment.HAN[0] : segment.HAN[1] + 1] = HAN
    return classes


@cache
def _permutations(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Odd factors and terms of ``count`` permutations h → factor · h + term mod 2^32."""
    numbers = np.array([_mix(np.uint64(i)) for i in range(count)], np.uint64)
    return numbers.astype(np.uint32) | np.uint32(1), (numbers >> np.uint64(32)).astype(np.uint32)


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    """The step of SplitMix64 (Steele et al. 2014)."""
    value = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _hash_of(codes: np.ndarray) -> np.ndarray:
    """FNV-1a over code points, uint64 [1]."""
    value = segment.FNV_BASIS
    for code in codes:
        value = (value ^ np.uint64(code)) * segment.FNV_PRIME
    return np.full(1, value)


@njit(cache=True, nogil=True)
def _word_hashes(codes: np.ndarray, classes: np.ndarray, dictionary: segment.Dictionary) -> np.ndarray:
    """A hash for each word of the text, uint64."""
    hashes = np.empty(codes.size, np.uint64)
    count, at = 0, 0
    while at < codes.size:
        kind = classes[codes[at]] if codes[at] < classes.size else ALONE
        end = at + 1
        if kind in (LETTER, HAN):
            while end < codes.size and codes[end] < classes.size and classes[codes[end]] == kind:
                end += 1
        if kind == HAN:
            start = at
            for stop in segment.cut(codes[at:end], dictionary):
                hashes[count] = _hash_of(codes[start : at + stop])[0]
                count += 1
                start = at + stop
        elif kind != GAP:
            hashes[count] = _hash_of(codes[at:end])[0]
            count += 1
        at = end
    return hashes[:count]


@njit(cache=True, nogil=True)
def _ngram_hashes(words: np.ndarray, ngram: int) -> np.ndarray:
    ngram = min(ngram, words.size)
    hashes = np.empty(words.size - ngram + 1, np.uint32)
    for i in range(hashes.size):
        value = np.uint64(0)
        for word in words[i : i + ngram]:
            value = _mix(value ^ word)
        hashes[i] = np.uint32(value >> np.uint64(32))
    return hashes


@njit(cache=True, nogil=True)
def _band_keys(shingles: np.ndarray, factors: np.ndarray, terms: np.ndarray, rows: int, keys: np.ndarray) -> None:
    """Fills ``keys`` (uint64 [bands]): the hash of a band's number and of its ``rows`` least permuted shingles."""
    for band in range(keys.size):
        value = _mix(np.uint64(band))
        for i in range(band * rows, (band + 1) * rows):
            factor, term, least = factors[i], terms[i], np.uint32(0xFFFFFFFF)
            for j in range(shingles.size):
                least = min(least, np.uint32(factor * shingles[j] + term))
            value = _mix(value ^ np.uint64(least))
        keys[band] = value


def reduce(rows: pa.Table) -> pa.Table:
    """What one partition of keys says of the documents that share one: an answer for ``combine``.

    ``rows``: key, quality, length, record_id, part, row. ``keeper`` is the best document that shares a key and ranks
    above (it may itself be beaten elsewhere), null where there is none; keeper_quality and keeper_length rank it.
    ``copies`` is the largest number of documents that share one of the document's keys.
    """
    found = groups(rows)
    beaten = found.best != np.arange(len(found.best))
    keeper = found.rows.select(["record_id", "quality", "length"]).take(pa.array(found.best, mask=~beaten))
    answers = found.rows.select(["part", "row"])
    for name, column in zip(("keeper", "keeper_quality", "keeper_length"), keeper.columns, strict=True):
        answers = answers.append_column(name, column)
    return combine(answers.append_column("copies", pa.array(found.size, pa.int32())))


def combine(answers: pa.Table) -> pa.Table:
    """One answer for each document, from those of several keys or partitions: beaten if beaten in any of them.

    Of several keepers the best-ranked is named; ``copies`` is the largest.
    """
    rank = [("keeper_quality", "descending"), ("keeper_length", "descending"), ("keeper", "ascending")]
    answers = answers.append_column("stays", answers["keeper"].is_null())
    answers = answers.sort_by([(name, "ascending") for name in ("part", "row", "stays")] + rank).drop_columns("stays")
    part, row, copies = (answers[name].to_numpy() for name in ("part", "row", "copies"))
    first = np.flatnonzero(np.append(True, (np.diff(part) != 0) | (np.diff(row) != 0))[: len(part)])
    most = np.maximum.reduceat(copies, first) if len(first) else copies
    return answers.take(pa.array(first)).drop_columns("copies").append_column("copies", pa.array(most))
