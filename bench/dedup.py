"""What dedup finds and what it costs: `python bench/dedup.py`.

Recall and precision of near dedup on made-up documents with edits of known size, then milliseconds a page on the texts
of ../shared (skipped where it is absent).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder would hide the packages of the same names

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import tokens
from pipeline.dedup import exact, lines, near, semantic

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "labelled-dev.parquet"
BINS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)
PAIRS = 6000


def made_up_pairs(random: np.random.Generator) -> list[tuple[str, str]]:
    """Documents of Zipf-distributed words, each with a copy in which some words or a whole stretch differ."""
    vocabulary = np.array([f"w{i}" for i in range(30_000)])
    chances = 1 / np.arange(10, 30_010)
    stream = random.choice(vocabulary, p=chances / chances.sum(), size=PAIRS * 900).tolist()
    pairs = []
    for i in range(PAIRS):
        words = stream[i * 900 : i * 900 + int(random.integers(150, 600))]
        fresh = iter(stream[i * 900 + 600 : i * 900 + 900])
        copy = list(words)
        if i % 2:  # single words
            for at in random.choice(len(words), int(len(words) * random.uniform(0, 0.13)), replace=False):
                copy[at] = next(fresh)
        else:  # one stretch
            size = int(len(words) * random.uniform(0, 0.33))
            at = int(random.integers(0, len(words) - size))
            copy[at : at + size] = [next(fresh) for _ in range(size)]
        pairs.append((" ".join(words), " ".join(copy)))
    return pairs


def jaccard(one: str, other: str) -> float:
    left, right = (set(near.shingles(text).tolist()) for text in (one, other))
    return len(left & right) / len(left | right)


def near_quality() -> None:
    """Runs the whole step, keys to answers, so that wrong drops among all pairs of documents would show."""
    pairs = made_up_pairs(np.random.default_rng(0))
    texts = [text for pair in pairs for text in pair]
    keys = near.signatures(texts)
    each = np.repeat(np.arange(len(texts)), near.BANDS)
    table = pa.table(
        {
            "key": keys.reshape(-1),
            "quality": pa.array(np.zeros(len(each)), pa.float32()),
            "length": pa.array([len(text) for text in texts], pa.int64()).take(pa.array(each)),
            "record_id": pa.array([f"{i:016x}" for i in range(len(texts))]).take(pa.array(each)),
            "part": pa.array(np.zeros(len(each)), pa.int32()),
            "row": pa.array(each, pa.int32()),
        }
    )
    answers = near.reduce(table)
    dropped = {a["row"]: int(a["keeper"], 16) for a in answers.to_pylist() if a["keeper"] is not None}
    truth = np.array([jaccard(*pair) for pair in pairs])
    found = np.array([2 * i in dropped or 2 * i + 1 in dropped for i in range(PAIRS)])
    print(f"near dedup, {PAIRS:,} pairs: similarity, pairs, found, expected")
    for low, high in pairwise(BINS):
        inside = (truth >= low) & (truth < high)
        expected = (1 - (1 - truth[inside] ** near.ROWS) ** near.BANDS).mean()
        print(f"  {low:.2f} to {high:.2f}  {inside.sum():5d}  {found[inside].mean():.3f}  {expected:.3f}")
    similarities = np.array([jaccard(texts[row], texts[keeper]) for row, keeper in dropped.items()])
    print(f"  dropped {len(dropped):,}; similar to their keeper by")
    for bound in (0.5, 0.6, 0.7, 0.8):
        print(f"    {bound} or more: {(similarities >= bound).mean():.4f}")


def timed(function: Callable[[list[str]], object], texts: list[str]) -> float:
    """Milliseconds of one core a text, best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        function(texts)
        best = min(best, time.process_time() - start)
    return best / len(texts) * 1e3


def costs() -> None:
    if not CORPUS.exists():
        print(f"no times: {CORPUS} is absent")
        return
    table = pq.read_table(CORPUS, columns=["text", "lang"])
    by_language = {
        name: table.filter(pa.compute.equal(table["lang"], name))["text"].to_pylist() for name in ("en", "zh")
    }
    tokenizer = tokens.train([text for texts in by_language.values() for text in texts[500:1500]], 16_000)
    steps: dict[str, Callable[[list[str]], object]] = {
        "exact keys": exact.keys,
        "line keys": lines.keys,
        "near signatures": near.signatures,
        "  of it words and shingles": lambda texts: [near.shingles(text) for text in texts],
        "token ids": tokenizer.encode,
    }
    for name, texts in by_language.items():
        texts = texts[:500]
        size = sum(len(text.encode()) for text in texts) / len(texts)
        print(f"{name}: {len(texts)} texts of {size:,.0f} bytes, ms a text")
        near.signatures(texts[:1])
        for step, function in steps.items():
            print(f"  {step:28s}{timed(function, texts):.3f}")
    random = np.random.default_rng(0)
    vectors = random.normal(size=(8000, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start = time.process_time()
    semantic._best_alike(vectors.astype(np.float16), semantic.SIMILARITY)
    print(f"semantic, one cluster of 8,000 vectors of 256: {(time.process_time() - start) / 8:.3f} ms a document")


if __name__ == "__main__":
    near_quality()
    costs()
