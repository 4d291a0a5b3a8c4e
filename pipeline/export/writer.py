"""Writes a mix out in two passes: every copy goes to an output shard by its place, then each shard is put in order.

The copies sorted by place are one shuffle of the whole mix, and a shard is a stretch of it. Memory holds one chunk of
copies or one shard, whatever the size of the mix. The bytes depend on the run, the mix and the arguments alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import exchange
from pipeline.errors import UserError
from pipeline.export import make_format
from pipeline.export.format import Format
from pipeline.export.readme import readme
from pipeline.mix.export import COPIES, copies, tokenizer_of
from pipeline.mix.repeats import read_shards
from pipeline.mix.shards import MANIFEST
from pipeline.storage import Folder

SCRATCH = ".unfinished"  # folder in the output; there from the first byte until the export is whole
SHARD_PREFIX = "shard-"
CHUNK_BYTES = 64 << 20  # copies that are scattered at once
BYTES_PER_TOKEN = 4  # of UTF-8 text, about, in English and in Chinese

Watch = Callable[[str, int, int], None]  # what is being done, how much of it is done, of how much


def export(
    run: Folder,
    mix: Mapping[str, Any],
    output: Folder,
    format_name: str,
    shard_megabytes: float = 64,
    seed: int = 0,
    watch: Watch = lambda what, done, total: None,
) -> dict[str, Any]:
    """Writes a mix (the content of mix.json) out; returns the content of the output's manifest.json.

    The output gets shards, what the format wants beside them, tokenizer.json, mix.json, README.md and manifest.json.

    shard_megabytes: text of a shard, about, before compression.
    seed: of the shuffle; which documents are read how often is a matter of the mix's own seed.

    Raises UserError where the run is not finished, or where the output holds anything but an unfinished export, which
    is begun anew.
    """
    tokenizer = tokenizer_of(run)
    made = make_format(format_name, tokenizer["vocab_size"], tokenizer["eos_id"])
    _clear(output)
    number = max(1, math.ceil(mix["tokens_after"] * BYTES_PER_TOKEN / (shard_megabytes * 1e6)))
    inputs = len(run.read_json(MANIFEST)["files"])

    def tables() -> Iterator[pa.Table]:
        for done, shard in enumerate(read_shards(run)):
            watch("reading the run's shards", done, inputs)
            yield from copies(run, shard, mix, tokenizer["vocab_size"], seed)

    chunks = _scatter(output, tables(), number)
    shards, totals = _gather(output, made, chunks, number, watch)
    if not shards:
        raise UserError(f"the mix {mix['name']!r} reads no document: give some category a weight, or a larger budget")
    manifest = {
        "version": 1,
        "format": format_name,
        "mix": mix["name"],
        "seed": seed,
        "tokenizer": tokenizer,
        "rows": totals["rows"].total(),
        "tokens": totals["tokens"].total(),
        "categories": _categories(mix, totals),
        "shards": shards,
    }
    for name, data in made.index(shards).items():
        output.write_bytes(name, data)
    output.write_bytes("tokenizer.json", run.read_bytes("tokenizer.json"))
    output.write_json("mix.json", mix)
    output.write_bytes("README.md", readme(manifest, made.reading).encode())
    output.write_json("manifest.json", manifest)
    output.remove(SCRATCH)
    return manifest


def _clear(output: Folder) -> None:
    """Makes the output an export that has begun."""
    names = output.names("")
    started = f"{SCRATCH}/started"
    if names and started not in names:
        raise UserError(f"{output.url} is not empty: give --output an empty folder")
    output.check_writable()
    output.write_bytes(started, b"")
    for name in names:
        if name != started and name.startswith((SHARD_PREFIX, SCRATCH)):
            output.remove(name)


def _chunk_name(number: int) -> str:
    return f"{SCRATCH}/copies-{number:05d}.arrow"


def _scatter(output: Folder, tables: Iterable[pa.Table], number: int) -> int:
    """Sends each row (schema COPIES) to its output shard, one of ``number``. Returns the number of files written."""
    chunks = 0
    for chunk in _chunks(tables):
        target = np.minimum(chunk["place"].to_numpy() * number, number - 1).astype(np.int64)
        exchange.scatter(output, _chunk_name(chunks), chunk, target, number)
        chunks += 1
    return chunks


def _chunks(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of about CHUNK_BYTES."""
    waiting, size = [COPIES.empty_table()], 0
    for table in tables:
        waiting.append(table)
        size += table.nbytes
        if size >= CHUNK_BYTES:
            yield pa.concat_tables(waiting)
            waiting, size = [COPIES.empty_table()], 0
    yield pa.concat_tables(waiting)


def _gather(
    output: Folder, made: Format, chunks: int, number: int, watch: Watch
) -> tuple[list[dict[str, Any]], dict[str, Counter[str]]]:
    """Writes the shards that have documents. Returns their entries, and documents, rows and tokens by category."""
    shards: list[dict[str, Any]] = []
    totals: dict[str, Counter[str]] = {"documents": Counter(), "rows": Counter(), "tokens": Counter()}
    for target in range(number):
        watch("writing shards", target, number)
        received = [exchange.batch(output, _chunk_name(chunk), target) for chunk in range(chunks)]
        table = pa.concat_tables(received)
        if not table.num_rows:
            continue
        order = np.argsort(table["place"].to_numpy(), kind="stable")
        documents = table.drop_columns(["place"]).take(pa.array(order)).combine_chunks()
        files = made.encode(documents, f"{SHARD_PREFIX}{len(shards):05d}")
        written = [{"path": name} | output.write_bytes(name, data) for name, data in files.items()]
        shards.append({"rows": documents.num_rows, "tokens": pc.sum(documents["tokens"]).as_py(), "files": written})
        _count(documents, totals)
    return shards, totals


def _count(documents: pa.Table, totals: dict[str, Counter[str]]) -> None:
    first = pc.cast(pc.equal(documents["copy"], 0), pa.int64())
    by_category = pa.table({name: documents[name] for name in ("category", "tokens")}).append_column("first", first)
    sums = by_category.group_by("category").aggregate([("first", "sum"), ("tokens", "count"), ("tokens", "sum")])
    for row in sums.to_pylist():
        totals["documents"][row["category"]] += row["first_sum"]
        totals["rows"][row["category"]] += row["tokens_count"]
        totals["tokens"][row["category"]] += row["tokens_sum"]


def _categories(mix: Mapping[str, Any], totals: dict[str, Counter[str]]) -> list[dict[str, Any]]:
    """What was written of each category of the mix, its share of all tokens, and the share that the mix plans."""
    written = totals["tokens"].total()
    return [
        {
            "category": (name := category["category"]),
            **{what: count[name] for what, count in totals.items()},
            "share": totals["tokens"][name] / written,
            "planned_share": category["share_after"],
        }
        for category in mix["categories"]
    ]
