"""The stream of documents: proportions, order, and access at any position."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import REPEATS, train_tokenizer, write_shards

from pipeline.errors import UserError
from trainer.data import Corpus, Stream


@pytest.fixture(scope="module")
def large_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many tiny documents: enough for the mix's chance rounding to average out."""
    rng = np.random.default_rng(0)
    ids = {category: np.split(np.zeros(800_000, np.int32), np.sort(rng.choice(800_000, 160_000, False)))
           for category in REPEATS}  # fmt: skip
    return write_shards(tmp_path_factory.mktemp("large"), train_tokenizer(["a"]), ids)


def test_tokens_of_a_pass_have_the_shares_of_the_plan(large_run: Path) -> None:
    """Weights mean tokens: counting documents instead would be off by far more than 0.1 %."""
    corpus = Corpus(str(large_run))
    stream = Stream(corpus, "mix.json", seed=0)
    shares = {c["category"]: c["share_after"] for c in json.loads((large_run / "mix.json").read_text())["categories"]}
    tokens = np.bincount(corpus.category, weights=stream.repeats * corpus.tokens)
    for category, share in zip(corpus.categories, tokens / tokens.sum(), strict=True):
        assert share == pytest.approx(shares[category], abs=1e-3)


def test_every_stretch_has_the_shares_of_the_pass(run_folder: Path) -> None:
    """Largest remainder: no category runs ahead of its share by more than a document or two."""
    corpus = Corpus(str(run_folder))
    stream = Stream(corpus, "mix.json", seed=0)
    order, _ = stream._order_of_pass(0)
    tokens = corpus.tokens[order].astype(float)
    drawn = np.stack([np.cumsum(tokens * (corpus.category[order] == code)) for code in range(3)])
    wanted = drawn[:, -1:] / tokens.sum() * np.cumsum(tokens)
    assert np.abs(drawn - wanted).max() <= 2 * tokens.max()


def test_documents_occur_as_often_as_the_mix_says(run_folder: Path) -> None:
    corpus = Corpus(str(run_folder))
    stream = Stream(corpus, "mix.json", seed=0)
    order, _ = stream._order_of_pass(0)
    assert (np.bincount(order, minlength=len(corpus.tokens)) == stream.repeats).all()
    by_category = {name: stream.repeats[corpus.category == code] for code, name in enumerate(corpus.categories)}
    assert set(by_category["physics"]) == {2, 3}
    assert set(by_category["cooking"]) == {0, 1}
    assert set(by_category["sports"]) == {1}


def test_passes_hold_the_same_documents_in_another_order(run_folder: Path) -> None:
    stream = Stream(Corpus(str(run_folder)), "mix.json", seed=0)
    (first, _), (second, _) = stream._order_of_pass(0), stream._order_of_pass(1)
    assert (np.sort(first) == np.sort(second)).all() and not (first == second).all()
    other = Stream(Corpus(str(run_folder)), "mix.json", seed=1)._order_of_pass(0)[0]
    assert not (first == other).all()


@lru_cache
def stream_of(run: str) -> Stream:
    return Stream(Corpus(run), "mix.json", seed=0)


@settings(deadline=None)
@given(st.data())
def test_a_stretch_is_the_same_however_it_is_cut(run_folder: Path, data: st.DataObject) -> None:
    """Across pass boundaries too: resuming at any position goes on with the very next slot."""
    stream = stream_of(str(run_folder))
    places = st.integers(0, 3 * stream.pass_slots)
    start, middle, stop = sorted([data.draw(places), data.draw(places), data.draw(places)])

    def slots(begin: int, end: int) -> list[tuple[int, int]]:
        return [
            (piece.document, slot) for piece in stream.pieces(begin, end) for slot in range(piece.first, piece.last)
        ]

    assert slots(start, middle) + slots(middle, stop) == slots(start, stop)
    assert len(slots(start, stop)) == stop - start


def test_order_does_not_depend_on_how_rows_lie_in_files(run_folder: Path, tmp_path: Path) -> None:
    """Shuffling goes by record, not by row: writing the shards anew with other sizes keeps the training order."""
    import pyarrow.parquet as pq

    shutil.copytree(run_folder, tmp_path / "run")
    for file in (tmp_path / "run" / "shards").rglob("*.parquet"):
        table = pq.read_table(file, partitioning=None)
        pq.write_table(table.take(np.arange(table.num_rows)[::-1]), file, row_group_size=7)
    orders = []
    for folder in (run_folder, tmp_path / "run"):
        corpus = Corpus(str(folder))
        order, _ = Stream(corpus, "mix.json", seed=0)._order_of_pass(0)
        orders.append(corpus.key[order].tolist())
    assert orders[0] == orders[1]


def test_token_ids_are_those_of_the_shard(run_folder: Path) -> None:
    import pyarrow.parquet as pq

    corpus = Corpus(str(run_folder))
    found = corpus.read(set(range(len(corpus.tokens))))
    rows = [ids for file in corpus.files for ids in pq.read_table(run_folder / file)["token_ids"].to_pylist()]
    assert [ids.tolist() for ids in found.values()] == rows


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("shards/manifest.json", None, "no shards/manifest.json"),
        ("tokenizer.json", b"{}", "not the tokenizer"),
        ("mix.json", "cells", "plan the mix again"),
    ],
)
def test_a_run_that_cannot_be_trained_on_says_why(
    run_folder: Path, tmp_path: Path, name: str, change: object, message: str
) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    file = tmp_path / "run" / name
    if change is None:
        file.unlink()
    elif isinstance(change, bytes):
        file.write_bytes(change)
    else:
        mix = json.loads(file.read_text())
        file.write_text(json.dumps(mix | {change: mix[change][1:]}))
    with pytest.raises(UserError, match=message):
        Stream(Corpus(str(tmp_path / "run")), "mix.json", seed=0)
