"""A mix as documents: every copy that the mix reads, and its place in one shuffled order of them all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.mix.repeats import Shard, uniform
from pipeline.mix.shards import MANIFEST, SHARD, category_of
from pipeline.storage import Folder

DOCUMENT = pa.schema(
    [
        SHARD.field("record_id"),
        pa.field("copy", pa.int32()),  # 0 for a document's first copy
        pa.field("category", pa.string()),
        *(field for field in SHARD if field.name != "record_id"),
    ]
)
COPIES = DOCUMENT.append(pa.field("place", pa.float64()))  # in [0, 1]; by it the copies are shuffled


def tokenizer_of(run: Folder) -> dict[str, Any]:
    """What mix.json says of the tokenizer. Raises UserError where the run is not finished or has another tokenizer."""
    for name in (MANIFEST, "mix.json", "tokenizer.json"):
        if not run.exists(name):
            raise UserError(f"{run.url} has no {name}: give the folder of a run that crawlmix run has finished")
    tokenizer: dict[str, Any] = run.read_json("mix.json")["tokenizer"]
    if tokenizer["sha256"] != hashlib.sha256(run.read_bytes("tokenizer.json")).hexdigest():
        raise UserError(f"{run.url}/tokenizer.json is not the tokenizer that the shards were made with (see mix.json)")
    return tokenizer


def copies(run: Folder, shard: Shard, mix: Mapping[str, Any], vocabulary: int, seed: int) -> Iterator[pa.Table]:
    """What a pass over the mix reads of a shard: schema COPIES, a table for each row group.

    Raises UserError where token ids contradict their count or the vocabulary.
    """
    repeats = shard.repeats(mix)
    with run.fs.open(run.path(shard.file), "rb") as source:
        parquet = pq.ParquetFile(source)
        start = 0
        for group in range(parquet.num_row_groups):
            stop = start + parquet.metadata.row_group(group).num_rows
            if repeats[start:stop].any():
                documents = parquet.read_row_group(group)
                _check(documents, shard.file, vocabulary)
                category, records = category_of(shard.file), shard.records[start:stop]
                yield _copies(documents, records, repeats[start:stop], category, seed)
            start = stop


def _copies(documents: pa.Table, records: np.ndarray, repeats: np.ndarray, category: str, seed: int) -> pa.Table:
    rows = np.repeat(np.arange(len(repeats)), repeats)
    copy = np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    # Another seed than the mix's own: what chose the documents must not order them.
    place = uniform(records[rows] + copy.astype(np.uint64), seed + 1 << 32)
    added = {"copy": copy, "category": pa.repeat(category, len(rows)), "place": place}
    columns = {name: documents[name].take(pa.array(rows)) for name in SHARD.names} | added
    return pa.table([columns[name] for name in COPIES.names], COPIES.names).cast(COPIES)


def _check(documents: pa.Table, file: str, vocabulary: int) -> None:
    lengths = pc.list_value_length(documents["token_ids"])
    highest = pc.max(pc.list_flatten(documents["token_ids"])).as_py()
    if not lengths.equals(documents["tokens"]) or (highest is not None and highest >= vocabulary):
        raise UserError(f"{file}: token ids contradict the token count or the vocabulary")
