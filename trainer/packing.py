"""From pieces of documents to the arrays of a training step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.mix.repeats import uniform
from trainer.data import Corpus, DocumentStream, Piece
from trainer.loss import IGNORE
from trainer.schedule import Step


@dataclass(frozen=True)
class Batch:
    """Arrays [sequences, tokens] of int64."""

    tokens: np.ndarray
    targets: np.ndarray  # the next token; IGNORE where that belongs to another document
    positions: np.ndarray  # from 0 in each document
    documents: np.ndarray  # attention stays within equal numbers of a sequence
    categories: np.ndarray  # index into Corpus.categories


def load_batch(corpus: Corpus, stream: DocumentStream, step: Step) -> Batch:
    """The step's sequences: consecutive cuts of its mix's stream. Neighbours share one slot, as target and as token."""
    length = step.stage.sequence
    starts = [step.start + number * length for number in range(step.sequences)]
    cuts = [stream.pieces(start, start + length + 1) for start in starts]
    ids = corpus.read({piece.document for pieces in cuts for piece in pieces})
    if step.stage.untie_knots > 1:
        cuts = [tie_knots(pieces, step.stage.untie_knots, start) for pieces, start in zip(cuts, starts, strict=True)]
    sequences = [pack(corpus, ids, pieces, whole=step.stage.untie_knots > 1) for pieces in cuts]
    return Batch(*(np.stack(arrays) for arrays in zip(*sequences, strict=True)))


def pack(corpus: Corpus, ids: dict[int, np.ndarray], pieces: list[Piece], whole: bool) -> tuple[np.ndarray, ...]:
    """One sequence, as the fields of a Batch. `whole`: attention and positions run through all of it."""
    lengths = [piece.last - piece.first for piece in pieces]
    tokens = np.concatenate(
        [np.append(ids[piece.document], corpus.eos_id)[piece.first : piece.last] for piece in pieces]
    )
    categories = np.repeat(corpus.category[[piece.document for piece in pieces]], lengths)
    positions = np.arange(len(tokens))
    documents = np.zeros(len(tokens), np.int64)
    if not whole:
        positions = np.concatenate([np.arange(length) for length in lengths])
        documents = np.repeat(np.arange(len(pieces)), lengths)
    targets = np.where(documents[1:] == documents[:-1], tokens[1:], IGNORE)
    fields = (tokens[:-1], targets, positions[:-1], documents[:-1], categories[:-1])
    return tuple(field.astype(np.int64) for field in fields)


def tie_knots(pieces: list[Piece], chunks: int, seed: int) -> list[Piece]:
    """Cuts each piece into up to `chunks` parts and shuffles the parts of all pieces, those of one piece in order.

    Trained with attention over the whole sequence, the model has to find, far back, what each part continues.
    Source: Untie the Knots (arXiv 2409.04774), without its marker tokens, which the tokenizer does not have.
    """
    parts = [cut(piece, chunks, seed, number) for number, piece in enumerate(pieces)]
    owners = np.repeat(np.arange(len(parts)), [len(of_piece) for of_piece in parts])
    shuffled = owners[np.argsort(uniform(np.arange(len(owners), dtype=np.uint64), seed), kind="stable")]
    remaining = [iter(of_piece) for of_piece in parts]
    return [next(remaining[owner]) for owner in shuffled]


def cut(piece: Piece, chunks: int, seed: int, number: int) -> list[Piece]:
    """The piece in order, cut at up to chunks - 1 pseudo-random places."""
    length = piece.last - piece.first
    drawn = uniform(np.arange(chunks - 1, dtype=np.uint64) + np.uint64(number << 32), seed)
    bounds = sorted({0, length, *(drawn * length).astype(int).tolist()})
    return [Piece(piece.document, piece.first + begin, piece.first + end) for begin, end in pairwise(bounds)]
