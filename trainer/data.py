"""From a run's shards to an endless stream of documents in the proportions of its mix.

The stream is a pure function of (shards, mix, seed): whoever knows a position in it, in tokens, can go on from there.
Nothing else needs to be stored to resume, and any number of readers sees the same order.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.mix.repeats import read_shards, times_read, uniform, weights_of
from pipeline.mix.shards import FOLDER, MANIFEST, Cell
from pipeline.storage import Folder

CACHE_BYTES = 256 << 20  # decoded row groups that are kept


class Piece(NamedTuple):
    """Slots `first` up to `last` of a document. Its slots are its tokens and one more for the end-of-text token."""

    document: int
    first: int
    last: int


class Corpus:
    """The documents of a run's shards: 26 bytes each in memory; token ids are read when they are asked for.

    Raises UserError where the folder has no shards, or where they, the mix and the tokenizer do not fit together.
    """

    def __init__(self, run: str) -> None:
        self.folder = Folder(run)
        for name in (MANIFEST, "mix.json", "tokenizer.json"):
            if not self.folder.exists(name):
                raise UserError(f"{run} has no {name}: give the folder of a run that crawlmix run has finished")
        self.manifest_sha256 = self.sha256(MANIFEST)
        tokenizer = self.folder.read_json("mix.json")["tokenizer"]
        self.eos, self.eos_id, self.vocabulary = tokenizer["eos"], tokenizer["eos_id"], tokenizer["vocab_size"]
        if tokenizer["sha256"] != self.sha256("tokenizer.json"):
            raise UserError(f"{run}/tokenizer.json is not the tokenizer that the shards were made with (see mix.json)")
        self.files = [f"{FOLDER}/{file['path']}" for file in self.folder.read_json(MANIFEST)["files"]]
        self._read_index()
        self._cache: OrderedDict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._open = lru_cache(maxsize=64)(self._open_file)

    def sha256(self, name: str) -> str:
        return hashlib.sha256(self.folder.read_bytes(name)).hexdigest()

    def _read_index(self) -> None:
        columns: dict[str, list[np.ndarray]] = {name: [] for name in ("file", "row", "tokens", "key", "cell")}
        cells: dict[Cell, int] = {}
        for number, shard in enumerate(read_shards(self.folder)):
            rows = len(shard.records)
            codes = np.array([cells.setdefault(cell, len(cells)) for cell in shard.cells], np.int32)
            columns["file"].append(np.full(rows, number, np.int32))
            columns["row"].append(np.arange(rows, dtype=np.int32))
            columns["tokens"].append(shard.tokens.astype(np.int32))
            columns["key"].append(shard.records)
            columns["cell"].append(codes[shard.places])
        if not cells:
            raise UserError(f"{self.folder.url} has no documents in its shards: loosen the rules, or add input")
        self.file, self.row, self.tokens, self.key, self.cell = (np.concatenate(part) for part in columns.values())
        self.cells = list(cells)
        self.categories = sorted({cell.category for cell in cells})
        self.category = np.array([self.categories.index(cell.category) for cell in cells], np.int16)[self.cell]

    def read(self, documents: set[int]) -> dict[int, np.ndarray]:
        """Token ids of documents; each row group is read once a call."""
        wanted = np.array(sorted(documents))
        wanted = wanted[np.lexsort((self.row[wanted], self.file[wanted]))]
        return {int(document): self._read_document(int(document)) for document in wanted}

    def _read_document(self, document: int) -> np.ndarray:
        file, row = int(self.file[document]), int(self.row[document])
        starts = self._open(file)[1]
        group = int(np.searchsorted(starts, row, side="right")) - 1
        ids, offsets = self._read_group(file, group)
        place = row - starts[group]
        found = ids[offsets[place] : offsets[place + 1]]
        if len(found) != self.tokens[document] or (len(found) and found.max() >= self.vocabulary):
            raise UserError(f"{self.files[file]}, row {row}: token ids contradict the token count or the vocabulary")
        return found

    def _read_group(self, file: int, group: int) -> tuple[np.ndarray, np.ndarray]:
        key = (file, group)
        if key not in self._cache:
            column = self._open(file)[0].read_row_group(group, columns=["token_ids"])["token_ids"].combine_chunks()
            self._cache[key] = (column.values.to_numpy(), column.offsets.to_numpy())
        self._cache.move_to_end(key)
        while len(self._cache) > 1 and sum(ids.nbytes for ids, _ in self._cache.values()) > CACHE_BYTES:
            self._cache.popitem(last=False)
        return self._cache[key]

    def _open_file(self, file: int) -> tuple[pq.ParquetFile, np.ndarray]:
        """The open file, and the first row of each of its row groups."""
        parquet = pq.ParquetFile(self.folder.fs.open(self.folder.path(self.files[file])))
        sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        return parquet, np.cumsum([0, *sizes[:-1]])


class DocumentStream:
    """Documents, pass after pass. A pass holds each as often as ``repeats`` says, int64 [documents], in an order in
    which every stretch has the same proportions of categories.

    Positions count slots (a document's tokens and its end). Every pass has the same length, so that a position's pass
    is a division and its document a binary search.
    """

    def __init__(self, corpus: Corpus, repeats: np.ndarray, seed: int) -> None:
        self.corpus, self.repeats, self.seed = corpus, repeats, seed
        self.pass_slots = int((repeats * (corpus.tokens.astype(np.int64) + 1)).sum())
        self._pass = lru_cache(maxsize=2)(self._order_of_pass)

    def pieces(self, start: int, stop: int) -> list[Piece]:
        """What lies in slots `start` up to `stop` of the stream, in order."""
        found = []
        while start < stop:
            number, slot = divmod(start, self.pass_slots)
            order, ends = self._pass(number)
            place = int(np.searchsorted(ends, slot, side="right"))
            document = int(order[place])
            begin = int(ends[place]) - int(self.corpus.tokens[document]) - 1
            last = min(int(ends[place]), slot + stop - start)
            found.append(Piece(document, slot - begin, last - begin))
            start += last - slot
        return found

    def _order_of_pass(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Documents of a pass in order (as often as they occur), and where each one's slots end.

        Each category is shuffled on its own; then the middle of each document, as a part of its category's tokens,
        decides when it comes. So each category advances in proportion to its tokens (largest remainder). Categories
        are turned against each other, or those of one document would all meet in the middle of the pass.
        """
        corpus, repeats = self.corpus, self.repeats
        documents = np.repeat(np.arange(len(repeats)), repeats)
        copies = np.arange(len(documents)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        seed = (self.seed + 1 << 32) + number
        shuffled = uniform(corpus.key[documents] + copies.astype(np.uint64), seed)
        documents = documents[np.lexsort((shuffled, corpus.category[documents]))]
        category, tokens = corpus.category[documents], corpus.tokens[documents].astype(np.int64)
        totals = np.bincount(category, weights=tokens)
        middles = np.cumsum(tokens) - tokens / 2 - (np.cumsum(totals) - totals)[category]
        turns = uniform(np.arange(len(totals), dtype=np.uint64), seed)
        order = documents[np.argsort((middles / totals[category] + turns[category]) % 1, kind="stable")]
        return order, np.cumsum(corpus.tokens[order].astype(np.int64) + 1)


class Stream(DocumentStream):
    """The documents of a mix, as often as it says."""

    def __init__(self, corpus: Corpus, mix: str, seed: int) -> None:
        if not corpus.folder.exists(mix):
            raise UserError(f"a stage names the mix {mix}, but {corpus.folder.url} has no such file")
        self.sha256 = corpus.sha256(mix)
        super().__init__(corpus, repeats_of(corpus, corpus.folder.read_json(mix)), seed)
        if not self.pass_slots:
            raise UserError(f"the mix {mix} reads no document of {corpus.folder.url}: give some category a weight")


def repeats_of(corpus: Corpus, mix: dict[str, Any]) -> np.ndarray:
    """How often each document occurs in a pass of the mix, int64 [documents]."""
    weights = weights_of(corpus.cells, mix)[corpus.cell]
    return times_read(corpus.key, corpus.tokens, weights, mix["seed"])
