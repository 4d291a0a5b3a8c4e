"""Shards, the files that a trainer reads: shards/category=<leaf>/part-00000.parquet and their manifest.

Row groups have a fixed number of rows and files end at a row group, so the bytes depend on the documents alone, not on
the batches in which they came.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, count
from typing import Any, Literal, NamedTuple, get_args
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.storage import Folder

FOLDER = "shards"
MANIFEST = f"{FOLDER}/manifest.json"
ROW_GROUP = 256  # documents; a trainer reads a row group at once

Band = Literal["low", "middle", "high"]  # of quality, the calibrated probability that a reader finds a document good
BANDS: tuple[Band, ...] = get_args(Band)
BAND_EDGES = (0.5, 0.8)  # least quality of middle and of high

SHARD = pa.schema(
    {
        "record_id": pa.string(),
        "url": pa.string(),
        "title": pa.string(),
        "language": pa.string(),
        "quality": pa.float32(),
        "date": pa.string(),
        "text": pa.large_string(),
        "tokens": pa.int32(),  # number of token_ids
        "token_ids": pa.list_(pa.int32()),  # without the token that ends a document
    }
)


class Cell(NamedTuple):
    """What a mix weighs as one: the documents of a category in a language and a quality band."""

    category: str
    language: str
    band: str


def category_of(file: str) -> str:
    """The category whose documents a shard holds: that of its Hive partition."""
    return unquote(file.split("/")[-2].removeprefix("category="))


def cells_of(table: pa.Table, category: str) -> tuple[list[Cell], np.ndarray]:
    """The cells that rows of a category's shard (columns language and quality) are in.

    Returns the cells, languages in order of appearance and bands from low to high, and each row's place among them.
    """
    languages = table["language"].combine_chunks().dictionary_encode()
    bands = (table["quality"].to_numpy()[:, None] >= BAND_EDGES).sum(axis=1)
    codes = languages.indices.to_numpy().astype(np.int64) * len(BANDS) + bands
    present, places = np.unique(codes, return_inverse=True)
    names = languages.dictionary.to_pylist()
    return [Cell(category, names[code // len(BANDS)], BANDS[code % len(BANDS)]) for code in present], places


def write_category(batches: Iterable[pa.Table], category: str, run: Folder, max_bytes: int) -> dict[str, Any]:
    """Writes the shards of one category from tables of schema SHARD; a file ends where it passes ``max_bytes``.

    Returns its manifest entries ``files`` (path, rows, tokens, bytes, sha256) and, for the mix, its ``cells``
    (category, language, band, documents, tokens).
    """
    files: list[dict[str, Any]] = []
    documents: Counter[Cell] = Counter()
    tokens: Counter[Cell] = Counter()
    groups = _row_groups(batches)
    for number, first in zip(count(), groups, strict=False):
        rows = read = 0
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, SHARD, compression="zstd", use_dictionary=["language"]) as writer:
            for group in chain([first], groups):
                writer.write_table(group)
                found, places = cells_of(group, category)
                lengths = group["tokens"].to_numpy()
                for place, cell in enumerate(found):
                    documents[cell] += int((places == place).sum())
                    tokens[cell] += int(lengths[places == place].sum())
                read += int(lengths.sum())
                rows += group.num_rows
                if sink.tell() >= max_bytes:
                    break
        path = f"category={category}/part-{number:05d}.parquet"
        written = run.write_bytes(f"{FOLDER}/{path}", sink.getvalue(), rows)
        files.append(
            {"path": path, "rows": rows, "tokens": read, "bytes": written["bytes"], "sha256": written["sha256"]}
        )
    cells = [
        cell._asdict() | {"documents": documents[cell], "tokens": tokens[cell]}
        for cell in sorted(documents, key=lambda cell: (cell.language, BANDS.index(cell.band)))
    ]
    return {"files": files, "cells": cells}


def _row_groups(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ROW_GROUP; the last may be shorter."""
    rest = SHARD.empty_table()
    for batch in batches:
        rest = pa.concat_tables([rest, batch])
        while rest.num_rows >= ROW_GROUP:
            yield rest.slice(0, ROW_GROUP)
            rest = rest.slice(ROW_GROUP)
    if rest.num_rows:
        yield rest


def manifest(files: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The content of shards/manifest.json: all files by path, and their rows and tokens together."""
    files = sorted(files, key=lambda file: file["path"])
    totals = {name: sum(file[name] for file in files) for name in ("rows", "tokens")}
    return {"version": 1, **totals, "files": files}


def verify(run: Folder) -> None:
    """Raises UserError where the shards are not, byte for byte, what their manifest says."""
    if not run.exists(MANIFEST):
        raise UserError(f"{run.url} has no {MANIFEST}: its run has not finished")
    listed = {f"{FOLDER}/{file['path']}": file for file in run.read_json(MANIFEST)["files"]}
    found = set(run.names(FOLDER, ".parquet"))
    for name in sorted(found ^ listed.keys()):
        missing = "is missing" if name in listed else "is not in the manifest"
        raise UserError(f"{run.url}/{name} {missing}: run crawlmix again on this folder")
    for name, file in listed.items():
        data = run.read_bytes(name)
        if len(data) != file["bytes"] or hashlib.sha256(data).hexdigest() != file["sha256"]:
            raise UserError(
                f"{run.url}/{name} is not the file that the manifest describes: run crawlmix again on this folder"
            )
