"""Hashed features of a text, shared by the category, web-type and quality models and by the default embedder.

A text (its first 4,000 characters) is lower-cased, digits become 0. A run of letters, marks and digits is a word; a
Chinese character or kana is a token of its own. Features are tokens, pairs of neighbouring tokens, and the first five
characters of longer words, each hashed to one of 2**22 buckets (the hashing trick: Weinberger et al. 2009,
https://arxiv.org/abs/0902.2206). The models know the buckets that stood in most training documents, the vocabulary;
a feature weighs (1 + ln tf) * idf, and the weights of a text have L2 norm 1.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from classifiers.model_file import read_model

MAX_CHARACTERS = 4000
BUCKET_BITS = 22
PREFIX_LENGTH = 5

SEPARATOR, LETTER, DIGIT, IDEOGRAPH, CAPITAL = range(5)  # character classes
IDEOGRAPH_RANGES = ((0x3005, 0x3007), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_PAIR_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_PREFIX_SALT = np.uint64(0xD6E8FEB86659FD93)
_MIX_FACTOR = np.uint64(0xFF51AFD7ED558CCD)
_BUCKET_SHIFT = np.uint64(64 - BUCKET_BITS)


@dataclass(frozen=True)
class Vocabulary:
    """The buckets that models know: ``table`` int32 [2**22] gives a bucket's row or -1, ``idf`` float32 [rows]."""

    table: NDArray[np.int32]
    idf: NDArray[np.float32]
    unknown_idf: float  # of a bucket that no training document had


@dataclass(frozen=True)
class HashedTexts:
    """Sparse rows (CSR): features ``rows[indptr[i]:indptr[i + 1]]`` of text i with their ``weights``.

    ``chinese`` bool [n]: whether ideographs are more than half of its tokens. ``known`` float32 [n]: the share of its
    features, counted as often as they occur, that have a row (1 where it has no feature).
    """

    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    weights: NDArray[np.float32]
    chinese: NDArray[np.bool_]
    known: NDArray[np.float32]


@cache
def load_vocabulary() -> Vocabulary:
    """The vocabulary of the models that ship with crawlmix. Raises UserError where its file is damaged."""
    arrays = read_model("vocabulary")
    return make_vocabulary(arrays["buckets"], arrays["idf"].astype(np.float32), float(arrays["unknown_idf"]))


def make_vocabulary(buckets: NDArray[np.integer], idf: NDArray[np.float32], unknown_idf: float) -> Vocabulary:
    """A vocabulary whose row r stands for bucket ``buckets[r]``."""
    table = np.full(1 << BUCKET_BITS, -1, np.int32)
    table[buckets] = np.arange(len(buckets), dtype=np.int32)
    return Vocabulary(table, idf, unknown_idf)


def hash_texts(texts: Sequence[str]) -> HashedTexts:
    """Features of each text in the rows of the shipped vocabulary.

    The last batch is remembered, because the models of a step are asked for the same one in turn.
    """
    return _hash_batch(tuple(texts))


@lru_cache(maxsize=1)
def _hash_batch(texts: tuple[str, ...]) -> HashedTexts:
    return hash_with(texts, load_vocabulary())


def hash_with(texts: Sequence[str], vocabulary: Vocabulary) -> HashedTexts:
    """Features of each text in the rows of a given vocabulary; buckets outside of it are left out."""
    indptr, rows, counts, chinese, known = count_features(texts, vocabulary.table)
    weights = (1 + np.log(counts.astype(np.float32))) * vocabulary.idf[rows]
    _normalise(indptr, weights)
    return HashedTexts(indptr, rows, weights, chinese, known)


def hash_buckets(texts: Sequence[str]) -> HashedTexts:
    """All features of each text by bucket, also those that the shipped vocabulary does not know."""
    vocabulary = load_vocabulary()
    indptr, buckets, counts, chinese, known = count_features(texts, every_bucket())
    rows = vocabulary.table[buckets]
    idf = np.where(rows >= 0, vocabulary.idf[rows], np.float32(vocabulary.unknown_idf))
    weights = (1 + np.log(counts.astype(np.float32))) * idf
    _normalise(indptr, weights)
    return HashedTexts(indptr, buckets, weights, chinese, known)


@cache
def every_bucket() -> NDArray[np.int32]:
    """The table in which each bucket is its own row."""
    return np.arange(1 << BUCKET_BITS, dtype=np.int32)


def count_features(
    texts: Sequence[str], table: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_], NDArray[np.float32]]:
    """(indptr, rows, counts, chinese, known): how often each text has each feature that ``table`` gives a row."""
    data, offsets = to_bytes(texts)
    return _count(data, offsets, table, *character_tables())


def to_bytes(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(bytes, offsets): the first 4,000 characters of each text in UTF-8, joined; a lone surrogate becomes "?"."""
    encoded = [text[:MAX_CHARACTERS].encode("utf-8", "replace") for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(data) for data in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), np.uint8), offsets


@cache
def character_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """(classes, lower) of the code points below 2**16: character class, and the lower-case code point."""
    classes, lower = np.zeros(1 << 16, np.uint8), np.arange(1 << 16, dtype=np.uint16)
    for code in range(1 << 16):
        category = unicodedata.category(chr(code))
        if category[0] in "LM":
            classes[code] = CAPITAL if category == "Lu" else LETTER
        elif category[0] == "N":
            classes[code] = DIGIT
        small = chr(code).lower()
        if len(small) == 1 and ord(small) < 1 << 16:
            lower[code] = ord(small)
    for first, last in IDEOGRAPH_RANGES:
        classes[first : last + 1] = IDEOGRAPH
    return classes, lower


@njit(cache=True, nogil=True)
def decode_at(data: NDArray[np.uint8], at: int) -> tuple[Any, int]:
    """(code point, width in bytes) of the character of valid UTF-8 that starts at ``at``."""
    lead = np.int64(data[at])
    if lead < 0x80:
        return lead, 1
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | (data[at + 1] & 0x3F), 2
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F), 3
    high = (lead & 0x07) << 18 | (data[at + 1] & 0x3F) << 12
    return high | (data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F), 4


@njit(cache=True, nogil=True)
def class_of(code: int, classes: NDArray[np.uint8]) -> int:
    """The character class of any code point; above 2**16 only the planes of rarer ideographs count."""
    if code < 1 << 16:
        return classes[code]
    return IDEOGRAPH if 0x20000 <= code < 0x40000 else SEPARATOR


@njit(cache=True, nogil=True)
def bucket_of(key: np.uint64) -> int:
    """The bucket of a 64-bit key: the top bits after one round of mixing."""
    key ^= key >> np.uint64(33)
    key *= _MIX_FACTOR
    key ^= key >> np.uint64(29)
    key *= _PAIR_FACTOR
    return int(key >> _BUCKET_SHIFT)


@njit(cache=True, nogil=True)
def _add(bucket: int, table: NDArray[np.int32], seen: NDArray[np.int32], rows: NDArray[np.int32], end: int) -> int:
    """Count one feature; returns the new end of ``rows``, the list of the text's distinct features."""
    row = table[bucket]
    if row < 0:
        return end
    seen[row] += 1
    if seen[row] == 1:
        rows[end] = row
        end += 1
    return end


@njit(cache=True, nogil=True)
def _count_text(
    data: NDArray[np.uint8],
    table: NDArray[np.int32],
    classes: NDArray[np.uint8],
    lower: NDArray[np.uint16],
    seen: NDArray[np.int32],
    rows: NDArray[np.int32],
    end: int,
) -> tuple[int, int, int, int]:
    """Count a text's features in ``seen``; returns the end of ``rows``, and the text's features, tokens, ideographs."""
    word, prefix, previous = _FNV_OFFSET, _FNV_OFFSET, np.uint64(0)
    at = length = features = tokens = ideographs = 0
    while at <= len(data):
        code, width, kind = 0, 1, SEPARATOR  # the end of the text closes the last word
        if at < len(data):
            code, width = decode_at(data, at)
            kind = class_of(code, classes)
        at += width
        if kind in (LETTER, CAPITAL, DIGIT):
            code = 48 if kind == DIGIT else lower[code]
            word = (word ^ np.uint64(code)) * _FNV_PRIME
            length += 1
            if length == PREFIX_LENGTH:
                prefix = word
            continue
        if length > 0:
            end = _add(bucket_of(word), table, seen, rows, end)
            if tokens > 0:
                end = _add(bucket_of(previous * _PAIR_FACTOR ^ word), table, seen, rows, end)
            if length > PREFIX_LENGTH:
                end = _add(bucket_of(prefix ^ _PREFIX_SALT), table, seen, rows, end)
            features += 1 + (tokens > 0) + (length > PREFIX_LENGTH)
            previous, word, length = word, _FNV_OFFSET, 0
            tokens += 1
        if kind == IDEOGRAPH:
            key = (_FNV_OFFSET ^ np.uint64(code)) * _FNV_PRIME
            end = _add(bucket_of(key), table, seen, rows, end)
            if tokens > 0:
                end = _add(bucket_of(previous * _PAIR_FACTOR ^ key), table, seen, rows, end)
            features += 1 + (tokens > 0)
            previous = key
            tokens += 1
            ideographs += 1
    return end, features, tokens, ideographs


@njit(cache=True, nogil=True)
def _count(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    table: NDArray[np.int32],
    classes: NDArray[np.uint8],
    lower: NDArray[np.uint16],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_], NDArray[np.float32]]:
    n = len(offsets) - 1
    indptr, chinese, known = np.zeros(n + 1, np.int64), np.zeros(n, np.bool_), np.ones(n, np.float32)
    rows = np.empty(len(data), np.int32)  # no text has more features than bytes
    counts = np.empty(len(data), np.int32)
    seen = np.zeros(table.max() + 1, np.int32)
    end = 0
    for i in range(n):
        begin, text = end, data[offsets[i] : offsets[i + 1]]
        end, features, tokens, ideographs = _count_text(text, table, classes, lower, seen, rows, begin)
        for k in range(begin, end):
            counts[k] = seen[rows[k]]
            seen[rows[k]] = 0
        indptr[i + 1] = end
        chinese[i] = 2 * ideographs > tokens
        if features > 0:
            known[i] = counts[begin:end].sum() / features
    return indptr, rows[:end].copy(), counts[:end].copy(), chinese, known


@njit(cache=True, nogil=True)
def _normalise(indptr: NDArray[np.int64], weights: NDArray[np.float32]) -> None:
    for i in range(len(indptr) - 1):
        text = weights[indptr[i] : indptr[i + 1]]
        norm = np.sqrt((text * text).sum())
        if norm > 0:
            text /= norm
