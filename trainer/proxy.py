"""A proxy: a small model trained on one mix, to learn what the mix does to the loss on documents held out.

All proxies start from the same weights. What they read is a pure function of (shards, mix, order).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch

from classifiers.taxonomy import load_taxonomy
from pipeline.errors import UserError
from pipeline.mix.plan import CELLS, solve
from pipeline.mix.repeats import uniform
from pipeline.mix.spec import MixSpec
from trainer.config import TrainConfig
from trainer.data import Corpus, DocumentStream, repeats_of
from trainer.loop import backward, make_deterministic, update
from trainer.loss import IGNORE, cross_entropy
from trainer.model import Transformer
from trainer.optim import make_optimizer
from trainer.packing import load_batch, pack
from trainer.schedule import Schedule

HELD_OUT = 0.1  # of all documents
HELD_OUT_SEED = 2**63 - 1  # no mix and no shuffle has it
MEASURED = 16_384  # tokens at most on which the loss of one target is measured


class Proxy(NamedTuple):
    mix: MixSpec
    order: int  # seed of the order in which it reads its documents


class Trained(NamedTuple):
    losses: dict[str, float]  # nats a token, by target
    tokens: dict[str, int]  # read, by category


def train_proxy(run: str, config: TrainConfig, proxy: Proxy, targets: Mapping[str, Sequence[str]]) -> Trained:
    """Trains one proxy through the stage table and measures it on held-out documents of each target's categories.

    The table's own mixes do not count. Raises UserError for a mix that cannot be, and when a loss is not finite.
    """
    make_deterministic()
    corpus = corpus_of(run)
    model, tokens = train(corpus, config, stream_of(corpus, proxy))
    losses = {name: measure(model, corpus, held_out_of(corpus, leaves), config) for name, leaves in targets.items()}
    return Trained(losses, {corpus.categories[code]: count for code, count in sorted(tokens.items())})


@lru_cache(maxsize=1)
def corpus_of(run: str) -> Corpus:
    """Read once by a worker, whatever the number of its proxies."""
    return Corpus(run)


def held_out(corpus: Corpus) -> np.ndarray:
    """True for the documents that no proxy reads, bool [documents]: a hash of the record decides."""
    return uniform(corpus.key, HELD_OUT_SEED) < HELD_OUT


def held_out_of(corpus: Corpus, categories: Sequence[str]) -> np.ndarray:
    """How often a pass over held-out documents of these categories reads each document: 0 or 1, int64 [documents].

    They are the first by another hash that have MEASURED tokens together.
    """
    codes = [code for code, name in enumerate(corpus.categories) if name in categories]
    documents = np.flatnonzero(held_out(corpus) & np.isin(corpus.category, codes) & (corpus.tokens > 0))
    documents = documents[np.argsort(uniform(corpus.key[documents], HELD_OUT_SEED - 1), kind="stable")]
    before = np.cumsum(corpus.tokens[documents]) - corpus.tokens[documents]
    repeats = np.zeros(len(corpus.tokens), np.int64)
    repeats[documents[before < MEASURED]] = 1
    return repeats


def stream_of(corpus: Corpus, proxy: Proxy) -> DocumentStream:
    """The proxy's mix, solved over the documents that are not held out."""
    kept = ~held_out(corpus)
    tokens = np.bincount(corpus.cell, weights=corpus.tokens * kept, minlength=len(corpus.cells))
    documents = np.bincount(corpus.cell, minlength=len(corpus.cells))  # all: the plan has to name every cell
    rows = [
        cell._asdict() | {"documents": int(count), "tokens": int(length)}
        for cell, count, length in zip(corpus.cells, documents, tokens, strict=True)
    ]
    budget = proxy.mix.budget and max(1, int(proxy.mix.budget * tokens.sum() / corpus.tokens.sum()))
    spec = proxy.mix.model_copy(update={"budget": budget})
    plan = solve(pa.Table.from_pylist(rows, CELLS), spec, load_taxonomy(), corpus.folder.read_json("mix.json")["seed"])
    stream = DocumentStream(corpus, repeats_of(corpus, plan.to_json()) * kept, proxy.order)
    if not stream.pass_slots:
        raise UserError(
            f"the mix {spec.name!r} reads no document but those held out: the run is too small for a search"
        )
    return stream


def train(corpus: Corpus, config: TrainConfig, stream: DocumentStream) -> tuple[Transformer, Counter[int]]:
    """The trained model, and the tokens that it read by category (index into Corpus.categories)."""
    model = Transformer(config.model, config.recompute)
    model.initialise(config.seed)
    optimizer, schedule, read = make_optimizer(model, config), Schedule(config.stages), Counter[int]()
    for number in range(schedule.steps):
        step = schedule.at(number)
        batch = load_batch(corpus, stream, step)
        losses, counts_LCE, _ = backward(model, batch, config, len(corpus.categories))
        if update(model, optimizer, losses, counts_LCE.sum(1), step, config.clip) is None:
            raise UserError("the loss of a proxy is not finite: take a preset with a lower learning rate")
        read.update(batch.categories.ravel().tolist())
    return model, read


@torch.no_grad()
def measure(model: Transformer, corpus: Corpus, repeats: np.ndarray, config: TrainConfig) -> float:
    """Mean loss of a pass over documents, nats a token, cut to the length of the last stage's sequences."""
    model.eval()
    stream, length = DocumentStream(corpus, repeats, 0), config.stages[-1].sequence
    total, counted = 0.0, 0
    for start in range(0, stream.pass_slots - 1, length):
        pieces = stream.pieces(start, min(start + length + 1, stream.pass_slots))
        arrays = pack(corpus, corpus.read({piece.document for piece in pieces}), pieces, whole=False)
        tokens, targets, positions, documents = (torch.from_numpy(array)[None] for array in arrays[:4])
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            hidden_BTD, _ = model(tokens, positions, documents)
            loss, _ = cross_entropy(hidden_BTD.flatten(0, 1), model.lm_head.weight, targets.flatten())
        total += float(loss)
        counted += int((targets != IGNORE).sum())
    return total / counted
