"""The feature and shape kernels agree with plain Python over characters, for any text."""

import math
import re
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers import features
from classifiers.features import BUCKET_BITS, MAX_CHARACTERS, count_features, every_bucket, hash_buckets, hash_texts
from classifiers.shape import SHAPES, measure_shape

MASK = (1 << 64) - 1
WORDS = st.text(st.sampled_from("aZéßİ 09.\n中国ｶの𠀀😀é̂_'־אд") | st.characters(), max_size=60)


def is_ideograph(character: str) -> bool:
    code = ord(character)
    return 0x20000 <= code < 0x40000 or any(first <= code <= last for first, last in features.IDEOGRAPH_RANGES)


def normal(character: str) -> str:
    """Lower case or 0 where a character is part of a word, "" where it is not."""
    category = unicodedata.category(character)
    if ord(character) >= 1 << 16 or category[0] not in "LMN":
        return ""
    if category[0] == "N":
        return "0"
    small = character.lower()
    return small if len(small) == 1 and ord(small) < 1 << 16 else character


def tokens_of(text: str) -> list[str]:
    tokens, word = [], ""
    for character in text[:MAX_CHARACTERS].encode("utf-8", "replace").decode() + " ":
        part = "" if is_ideograph(character) else normal(character)
        if part:
            word += part
            continue
        if word:
            tokens.append(word)
            word = ""
        if is_ideograph(character):
            tokens.append(character)
    return tokens


def fnv(token: str) -> int:
    key = 0xCBF29CE484222325
    for character in token:
        key = (key ^ ord(character)) * 0x100000001B3 & MASK
    return key


def bucket(key: int) -> int:
    key ^= key >> 33
    key = key * 0xFF51AFD7ED558CCD & MASK
    key ^= key >> 29
    return (key * 0x9E3779B97F4A7C15 & MASK) >> (64 - BUCKET_BITS)


def buckets_of(text: str) -> Counter[int]:
    tokens = tokens_of(text)
    found = Counter(bucket(fnv(token)) for token in tokens)
    found.update(bucket((fnv(left) * 0x9E3779B97F4A7C15 & MASK) ^ fnv(right)) for left, right in pairwise(tokens))
    found.update(bucket(fnv(token[:5]) ^ 0xD6E8FEB86659FD93) for token in tokens if len(token) > 5)
    return found


@settings(deadline=None)
@given(st.lists(WORDS, max_size=4))
def test_counts_are_those_of_plain_python(texts: list[str]) -> None:
    indptr, rows, counts, chinese, known = count_features(texts, every_bucket())
    for place, text in enumerate(texts):
        part = slice(indptr[place], indptr[place + 1])
        assert dict(zip(rows[part].tolist(), counts[part].tolist(), strict=True)) == buckets_of(text)
        tokens = tokens_of(text)
        assert chinese[place] == (2 * sum(is_ideograph(token[0]) for token in tokens) > len(tokens))
        assert known[place] == 1


@settings(deadline=None)
@given(WORDS)
def test_the_known_share_is_that_of_plain_python(text: str) -> None:
    found = buckets_of(text)
    table = np.where(np.arange(1 << BUCKET_BITS) % 3 == 0, 0, -1).astype(np.int32)
    share = sum(count for number, count in found.items() if number % 3 == 0) / max(found.total(), 1)
    assert count_features([text], table)[4][0] == pytest.approx(share if found else 1)


@settings(deadline=None)
@given(WORDS)
def test_shapes_are_those_of_plain_python(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    measured = dict(zip(SHAPES, measure_shape([text])[0].tolist(), strict=True))
    blank = {chr(code) for code in (*range(33), 0xA0, 0x3000)}
    visible = [character for character in text if character not in blank]
    lines = [line for line in text.split("\n") if set(line) - blank]
    capitals = [c for c in visible if unicodedata.category(c) == "Lu" and ord(c) < 1 << 16]
    assert measured["log_characters"] == pytest.approx(math.log1p(len(text) - text.count("\n")), rel=1e-5)
    assert measured["log_lines"] == pytest.approx(math.log1p(len(lines)), rel=1e-5)
    assert measured["capitals"] == pytest.approx(len(capitals) / max(len(visible), 1), rel=1e-5)
    assert measured["ideographs"] == pytest.approx(sum(map(is_ideograph, visible)) / max(len(visible), 1), rel=1e-5)
    closed = [line for line in lines if re.search(r"[.!?;:。！？；：…”\"')）」』][\s\0-\x20\xa0\u3000]*$", line)]
    assert measured["closed_lines"] == pytest.approx(len(closed) / max(len(lines), 1), rel=1e-5)


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_weights_have_norm_one_or_there_are_none(texts: list[str]) -> None:
    for hashed in (hash_texts(texts), hash_buckets(texts)):
        for place in range(len(texts)):
            weights = hashed.weights[hashed.indptr[place] : hashed.indptr[place + 1]]
            assert len(weights) == 0 or np.linalg.norm(weights) == pytest.approx(1, abs=1e-4)


def test_a_text_counts_to_its_4000th_character_only() -> None:
    start = "word " * 800
    assert len(start) == MAX_CHARACTERS
    first, second = (count_features([text], every_bucket())[1].tolist() for text in (start, start + "another story"))
    assert first == second


def test_the_batch_does_not_change_a_texts_features() -> None:
    texts = ["One short text.", "", "另一篇短文。", "One more, longer text about something else."]
    together = hash_texts(texts)
    for place, text in enumerate(texts):
        alone, part = hash_texts([text]), slice(together.indptr[place], together.indptr[place + 1])
        assert alone.rows.tolist() == together.rows[part].tolist()
        assert np.array_equal(alone.weights, together.weights[part])
