"""A synthetic run folder: shards, manifest, mix and tokenizer as the pipeline writes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

EOS = "<|endoftext|>"
WORDS = {
    "cooking": "the cook cuts salt onion bread into a warm pan and stirs soup with oil until dinner is ready",
    "physics": "the field bends light near a heavy mass so energy and momentum of each particle stay equal",
    "sports": "the team scores a late goal while fans cheer and the coach counts minutes of extra time",
}
REPEATS = {"cooking": 0.5, "physics": 2.25, "sports": 1.0}


def sentences(words: list[str], count: int, rng: np.random.Generator) -> str:
    """Each word is mostly followed by the same next one, so that there is something to learn."""
    out, place = [], int(rng.integers(len(words)))
    for _ in range(count):
        out.append(words[place])
        place = (place + 1) % len(words) if rng.random() < 0.8 else int(rng.integers(len(words)))
    return " ".join(out) + "."


def train_tokenizer(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=380, special_tokens=[EOS], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def write_run(folder: Path, documents: int, words: int, seed: int = 0) -> Path:
    """`documents` a category, of about `words` words each."""
    rng = np.random.default_rng(seed)
    texts = {
        category: [
            sentences(vocabulary.split(), int(rng.integers(words // 2, words * 2)), rng) for _ in range(documents)
        ]
        for category, vocabulary in WORDS.items()
    }
    tokenizer = train_tokenizer([text for group in texts.values() for text in group])
    ids = {name: [encoding.ids for encoding in tokenizer.encode_batch(group)] for name, group in texts.items()}
    return write_shards(folder, tokenizer, ids)


def write_shards(folder: Path, tokenizer: Tokenizer, ids: dict[str, list[list[int]]]) -> Path:
    """A run folder with documents of these token ids by category."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    files = []
    for category, documents in ids.items():
        names = [hashlib.blake2b(f"{category} {n}".encode(), digest_size=8).hexdigest() for n in range(len(documents))]
        table = pa.table(
            {
                "record_id": names,
                "url": [f"https://{category}.example/{n}" for n in range(len(documents))],
                "title": [category] * len(documents),
                "language": ["en"] * len(documents),
                "quality": pa.array([0.9] * len(documents), pa.float32()),
                "date": ["2025-01-01T00:00:00Z"] * len(documents),
                "text": pa.array(tokenizer.decode_batch(documents), pa.large_string()),
                "tokens": pa.array([len(document) for document in documents], pa.int32()),
                "token_ids": pa.array(documents, pa.list_(pa.int32())),
            }
        )
        path = folder / "shards" / f"category={category}" / "part-00000.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path, row_group_size=max(16, len(documents) // 4))
        files.append(
            {
                "path": f"category={category}/part-00000.parquet",
                "rows": len(documents),
                "tokens": sum(map(len, documents)),
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    unique = {category: sum(map(len, documents)) for category, documents in ids.items()}
    rows = sum(map(len, ids.values()))
    manifest = {"version": 1, "rows": rows, "tokens": sum(unique.values()), "files": files}
    (folder / "shards" / "manifest.json").write_text(json.dumps(manifest))
    (folder / "mix.json").write_text(json.dumps(make_mix(tokenizer, folder, unique)))
    return folder


def make_mix(tokenizer: Tokenizer, folder: Path, unique: dict[str, int]) -> dict:
    after = {category: unique[category] * REPEATS[category] for category in unique}
    cells = [
        {"category": c, "language": "en", "band": "high", "unique_tokens": unique[c], "repeats": REPEATS[c]}
        for c in unique
    ]
    return {
        "version": 1,
        "name": "test",
        "seed": 7,
        "max_repeats": 4,
        "tokens_before": sum(unique.values()),
        "tokens_after": sum(after.values()),
        "tokenizer": {
            "file": "tokenizer.json",
            "sha256": hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest(),
            "vocab_size": tokenizer.get_vocab_size(),
            "eos": EOS,
            "eos_id": tokenizer.token_to_id(EOS),
        },
        "categories": [{"category": c, "share_after": after[c] / sum(after.values())} for c in unique],
        "cells": cells,
    }
