"""Batches: what is a token, a target, a document."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config import Stage
from trainer.data import Corpus, Piece, Stream
from trainer.loss import IGNORE
from trainer.packing import Batch, load_batch, tie_knots
from trainer.schedule import Schedule


@pytest.fixture(scope="module")
def corpus(run_folder: Path) -> Corpus:
    return Corpus(str(run_folder))


def batch_of(corpus: Corpus, step: int, **fields: object) -> Batch:
    stage = {"name": "s", "tokens": 10_000, "batch": 800, "sequence": 200, "learning_rate": 1.0, **fields}
    schedule = Schedule([Stage.model_validate(stage)])
    return load_batch(corpus, Stream(corpus, "mix.json", seed=0), schedule.at(step))


def test_sequences_spell_out_the_stream_with_an_end_after_each_document(corpus: Corpus) -> None:
    order, _ = Stream(corpus, "mix.json", seed=0)._order_of_pass(0)
    ids = corpus.read(set(order.tolist()))
    text = np.concatenate([np.append(ids[int(document)], corpus.eos_id) for document in order])
    read = np.concatenate([batch_of(corpus, step).tokens.ravel() for step in range(2)])
    assert (read == text[:1600]).all()


def test_targets_are_the_next_token_of_the_same_document(corpus: Corpus) -> None:
    """The end of a document must not predict the next one; the last token of a sequence has the next slot as target."""
    batch = batch_of(corpus, 0)
    after = np.append(batch.tokens.ravel()[1:], batch_of(corpus, 1).tokens[0, 0])
    ends = batch.tokens.ravel() == corpus.eos_id
    assert ends.any()
    assert (batch.targets.ravel() == np.where(ends, IGNORE, after)).all()


def test_positions_and_documents_restart_together(corpus: Corpus) -> None:
    batch = batch_of(corpus, 0)
    begins = np.diff(batch.documents, axis=1) != 0
    assert (batch.positions[:, 0] == 0).all()
    assert ((batch.positions[:, 1:] == 0) == begins).all()
    assert (np.diff(batch.positions, axis=1)[~begins] == 1).all()
    assert ((batch.tokens[:, :-1] == corpus.eos_id) == begins).all()


def test_tied_sequences_attend_across_documents_and_lose_nothing(corpus: Corpus) -> None:
    plain, tied = batch_of(corpus, 0), batch_of(corpus, 0, untie_knots=4)
    assert (tied.documents == 0).all() and (tied.positions == np.arange(200)).all() and (tied.targets != IGNORE).all()
    assert not (plain.tokens == tied.tokens).all()
    after = np.append(plain.tokens[1:, 0], batch_of(corpus, 1).tokens[0, 0])
    slots = np.column_stack([plain.tokens, after])  # a sequence and the slot that is only a target
    tied_slots = np.column_stack([tied.tokens[:, 0], tied.targets])
    assert (np.sort(tied_slots, axis=1) == np.sort(slots, axis=1)).all()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40)), min_size=1, max_size=8),
    st.integers(2, 6),
    st.integers(0, 9),
)
def test_tying_keeps_the_order_within_a_document(sizes: list[tuple[int, int]], chunks: int, seed: int) -> None:
    pieces = [Piece(number, first, first + length) for number, (first, length) in enumerate(sizes)]
    tied = tie_knots(pieces, chunks, seed)
    for piece in pieces:
        parts = [part for part in tied if part.document == piece.document]
        assert len(parts) <= chunks
        assert [slot for part in parts for slot in range(part.first, part.last)] == list(range(piece.first, piece.last))
