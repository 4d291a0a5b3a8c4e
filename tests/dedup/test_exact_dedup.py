import hashlib
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup import exact

ROWS = pa.schema(
    {
        "key": pa.uint64(),
        "key2": pa.uint64(),
        "part": pa.int32(),
        "row": pa.int32(),
        "length": pa.int64(),
        "record_id": pa.string(),
    }
)


def rows(*entries: tuple[int, int, int, int, int, str]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(ROWS.names, entry, strict=True)) for entry in entries], ROWS)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Hello,  World!\n\nHello…", "hello world hello"),
        ("你好，世界。", "你好世界"),
        ("Café", "cafe\u0301"),
        ("ＦＵＬＬ　width", "ｆｕｌｌ width"),
        ("a+b = $3", "a+b = $3"),
        ("?!", ""),
    ],
)
def test_normal_form_is_the_reports(text: str, form: str) -> None:
    """Catches a step of the form that is left out: symbols stay, punctuation of every script goes."""
    assert exact.normal_form(text) == form


@given(st.text())
def test_normal_form_agrees_with_its_definition_character_by_character(text: str) -> None:
    kept = "".join(c for c in text.lower() if not unicodedata.category(c).startswith("P"))
    assert exact.normal_form(text) == " ".join(unicodedata.normalize("NFD", kept).split())


def test_every_punctuation_character_goes() -> None:
    """Catches a table that ends before Unicode's punctuation does."""
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    kept = exact.normal_form(every)
    assert not any(unicodedata.category(character)[0] == "P" for character in kept)


def test_keys_are_the_md5_of_the_normal_form() -> None:
    """Catches halves that are swapped or read in the machine's byte order."""
    low, high = exact.keys(["Same, text", "same text!", "other"])
    assert low[0] == low[1] and high[0] == high[1] and low[0] != low[2]
    digest = hashlib.md5(b"same text").digest()
    assert int(low[0]).to_bytes(8, "little") + int(high[0]).to_bytes(8, "little") == digest
    assert [len(half) for half in exact.keys([])] == [0, 0]


def test_texts_of_punctuation_alone_are_not_all_one() -> None:
    """Catches pages of "..." and "!!!" that count as copies because both are empty in normal form."""
    low, _ = exact.keys(["...", "!!!", ""])
    assert len(set(low.tolist())) == 3


def test_longest_copy_stays_then_the_smallest_record_id() -> None:
    answers = exact.reduce(
        rows((7, 1, 0, 0, 10, "c"), (7, 1, 0, 5, 12, "d"), (7, 1, 2, 1, 12, "b"), (8, 1, 1, 1, 99, "a"))
    )
    assert answers.to_pylist() == [
        {"part": 2, "row": 1, "keeper": None, "copies": 3},
        {"part": 0, "row": 5, "keeper": "b", "copies": 3},
        {"part": 0, "row": 0, "keeper": "b", "copies": 3},
    ]


def test_both_halves_of_the_key_must_agree() -> None:
    """Catches documents that are dropped because half of their digests meet."""
    answers = exact.reduce(rows((7, 1, 0, 0, 1, "a"), (7, 2, 0, 1, 2, "b"), (7, 2, 0, 2, 3, "c"), (7, 3, 0, 3, 4, "d")))
    assert [(a["row"], a["keeper"]) for a in answers.to_pylist()] == [(2, None), (1, "c")]


def test_no_rows_give_no_answers() -> None:
    answers = exact.reduce(ROWS.empty_table())
    assert answers.num_rows == 0 and answers.column_names == ["part", "row", "keeper", "copies"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 3)), max_size=30), st.randoms())
def test_exactly_one_copy_of_each_key_stays_whatever_the_order(entries: list[tuple[int, int, int]], random) -> None:
    table = rows(*((key, key2, 0, row, length, f"{row:02}") for row, (key, key2, length) in enumerate(entries)))
    order = list(range(len(entries)))
    random.shuffle(order)
    answers = exact.reduce(table.take(pa.array(order, pa.int64())))
    assert answers.equals(exact.reduce(table))
    beaten = {a["row"] for a in answers.to_pylist() if a["keeper"] is not None}
    stay = [entry[:2] for row, entry in enumerate(entries) if row not in beaten]
    assert sorted(stay) == sorted({entry[:2] for entry in entries})
    assert np.all(answers["copies"].to_numpy() > 1)
