import re
from collections import defaultdict

import jieba
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup import near

ROWS = pa.schema(
    {
        "key": pa.uint64(),
        "quality": pa.float32(),
        "length": pa.int64(),
        "record_id": pa.string(),
        "part": pa.int32(),
        "row": pa.int32(),
    }
)
MASK = 2**64 - 1


def mix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def plain_words(text: str) -> list[str]:
    """For texts of Han characters and Latin letters, digits and ASCII punctuation."""
    found = []
    for run in re.findall("[一-鿕]+|[a-z0-9]+", text.lower()):
        found += jieba.lcut(run) if "一" <= run[0] <= "鿕" else [run]
    return found


def plain_signature(text: str, bands: int, rows: int) -> list[int]:
    """MinHash as a textbook has it, with the kernel's hash functions."""
    words = []
    for word in plain_words(text):
        value = 0xCBF29CE484222325
        for character in word:
            value = ((value ^ ord(character)) * 0x100000001B3) & MASK
        words.append(value)
    shingles = set()
    for i in range(max(1, len(words) - 4)):
        value = 0
        for word in words[i : i + 5]:
            value = mix(value ^ word)
        shingles.add(value >> 32)
    keys = []
    for band in range(bands):
        key = mix(band)
        for i in range(band * rows, (band + 1) * rows):
            factor, term = mix(i) & 0xFFFFFFFF | 1, mix(i) >> 32
            key = mix(key ^ min((factor * shingle + term) & 0xFFFFFFFF for shingle in shingles))
        keys.append(key)
    return keys


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog, and then it does so again.",
        "two words",
        "我来到北京清华大学, then to 网易杭研大厦 (2024).",
        "x " * 50,
    ],
)
def test_signatures_are_those_of_plain_minhash(text: str) -> None:
    assert near.signatures([text], bands=8, rows=4).tolist() == [plain_signature(text, 8, 4)]


def test_band_keys_depend_on_the_band() -> None:
    """Catches documents that meet because two different bands of theirs hold the same values."""
    keys = near.signatures(["one"], bands=4, rows=1, ngram=1)[0]
    assert len(set(keys.tolist())) == 4


def test_words_are_counted_as_their_script_writes_them() -> None:
    """Catches languages without spaces whose pages would be one long word each."""
    assert near.shingles("สวัสดีครับ", 1).size == 10  # Thai: a character
    assert near.shingles("ありがとう", 1).size == 5  # kana: a character
    assert near.shingles("北京清华大学", 1).size == 2  # Han: jieba's words
    assert near.shingles("don't  stop—now", 1).size == 4
    assert near.shingles("안녕하세요 여러분", 1).size == 2
    assert near.shingles("𠀀𠀁", 1).size == 2


def test_case_punctuation_and_spacing_do_not_count() -> None:
    one, other = near.signatures(["A plain page, of six words.", "a PLAIN page of\nsix   words"])
    assert (one == other).all()


def test_texts_without_words_are_not_all_the_same() -> None:
    """Catches pages of symbols that would be dropped as copies of each other."""
    keys = near.signatures(["★★★", "☆☆☆", ""])
    assert len(np.unique(keys[:, 0])) == 3


def test_no_texts_give_an_empty_matrix() -> None:
    assert near.signatures([]).shape == (0, 128)


@pytest.mark.parametrize("similarity", [0.6, 0.7, 0.75, 0.8, 0.85])
def test_pairs_are_found_as_often_as_the_curve_says(similarity: float) -> None:
    """Catches hash functions that are not independent enough: 1,000 pairs of known Jaccard similarity, 4 sigma."""
    random, pairs, union = np.random.default_rng(7), 1000, 400
    factors, terms = near._permutations(near.BANDS * near.ROWS)
    shared = round(similarity * union)
    found = 0
    for _ in range(pairs):
        hashes = random.integers(0, 2**32, union, dtype=np.uint32)
        cut = shared + (union - shared) // 2
        keys = np.empty((2, near.BANDS), np.uint64)
        near._band_keys(hashes[:cut], factors, terms, near.ROWS, keys[0])
        near._band_keys(np.concatenate([hashes[:shared], hashes[cut:]]), factors, terms, near.ROWS, keys[1])
        found += bool((keys[0] == keys[1]).any())
    expected = 1 - (1 - similarity**near.ROWS) ** near.BANDS
    assert abs(found / pairs - expected) <= 4 * np.sqrt(expected * (1 - expected) / pairs) + 1 / pairs


def table(entries: list[tuple[int, float, int, int]]) -> pa.Table:
    """Rows from (key, quality, length, document)."""
    return pa.Table.from_pylist(
        [
            {
                "key": key,
                "quality": quality,
                "length": length,
                "record_id": f"{doc:02}",
                "part": doc % 3,
                "row": doc // 3,
            }
            for key, quality, length, doc in entries
        ],
        ROWS,
    )


def test_best_copy_stays_and_every_other_names_one() -> None:
    answers = near.reduce(table([(1, 0.5, 10, 0), (1, 0.9, 5, 1), (1, 0.9, 7, 2), (2, 0.1, 1, 3)]))
    assert [(a["part"], a["keeper"], a["copies"]) for a in answers.to_pylist()] == [
        (0, "02", 3),
        (1, "02", 3),
        (2, None, 3),
    ]


def test_chains_are_not_joined() -> None:
    """Catches connected components: 0 and 2 share no key, and both stay unless something better shares theirs."""
    answers = near.reduce(table([(1, 0.9, 1, 0), (1, 0.5, 1, 1), (2, 0.5, 1, 1), (2, 0.4, 1, 2)]))
    assert [(a["part"], a["keeper"]) for a in answers.to_pylist()] == [(0, None), (1, "00"), (2, "01")]


documents = st.lists(
    st.tuples(
        st.sampled_from([0.1, 0.5, None]),
        st.integers(1, 2),
        st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(documents, st.integers(1, 4))
def test_dropped_if_and_only_if_a_bucket_holds_a_better_one(docs: list, partitions: int) -> None:
    """Catches answers that depend on how keys fall into partitions; the oracle compares all pairs."""
    entries = [(key, quality, length, doc) for doc, (quality, length, keys) in enumerate(docs) for key in keys]
    whole = table(entries)
    keys = whole["key"].to_numpy() % partitions
    answers = near.combine(pa.concat_tables(near.reduce(whole.filter(pa.array(keys == p))) for p in range(partitions)))

    rank = {doc: (-(quality or -1), -length, doc) for doc, (quality, length, _) in enumerate(docs)}
    buckets = defaultdict(set)
    for key, _, _, doc in entries:
        buckets[key].add(doc)
    expected = {}
    for doc, (_, _, keys) in enumerate(docs):
        others = set().union(*(buckets[key] for key in keys)) - {doc}
        better = [other for other in others if rank[other] < rank[doc]]
        if others:
            keeper = f"{min(better, key=rank.get):02}" if better else None
            expected[doc] = keeper, max(len(buckets[key]) for key in keys)
    assert {3 * a["row"] + a["part"]: (a["keeper"], a["copies"]) for a in answers.to_pylist()} == expected
