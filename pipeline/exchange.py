"""Scatter and gather: all global work (dedup, counts) there and back through files, in bounded memory.

A part writes ONE Arrow file with one record batch a partition; a partition reads its batch from every part's file. The
answers travel back the same way: one file a partition, one batch a part. Row order is (part, row) on both ways, so
results depend on nothing else.
"""

from __future__ import annotations

import io
import itertools

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from pipeline.run import Run
from pipeline.storage import Folder

OPTIONS = ipc.IpcWriteOptions(compression="zstd", use_threads=False)


class Exchange:
    """One exchange of a run: rows go from parts to partitions by key, answers come back from partitions to parts."""

    def __init__(self, run: Run, name: str) -> None:
        self.folder, self.path = run.folder, f"exchange/{name}"
        self.parts, self.partitions = len(run.parts), run.partitions

    def send(self, part: int, rows: pa.Table) -> None:
        """Sends a part's rows to the partition ``key % partitions`` (column ``key``, uint64)."""
        keys = rows["key"].to_numpy()
        scatter(
            self.folder, self._there(part), rows, (keys % np.uint64(self.partitions)).astype(np.int64), self.partitions
        )

    def received(self, partition: int) -> pa.Table:
        """All rows of one partition, in the order of parts."""
        return self._read([self._there(part) for part in range(self.parts)], partition)

    def answer(self, partition: int, answers: pa.Table) -> None:
        """Sends a partition's answers back to the parts that they concern (column ``part``)."""
        scatter(self.folder, self._back(partition), answers, answers["part"].to_numpy().astype(np.int64), self.parts)

    def answers(self, part: int) -> pa.Table:
        """All answers for one part, in the order of partitions."""
        return self._read([self._back(partition) for partition in range(self.partitions)], part)

    def _there(self, part: int) -> str:
        return f"{self.path}/there-{part:05d}.arrow"

    def _back(self, partition: int) -> str:
        return f"{self.path}/back-{partition:05d}.arrow"

    def _read(self, names: list[str], target: int) -> pa.Table:
        return pa.concat_tables([batch(self.folder, name, target) for name in names])


def scatter(folder: Folder, name: str, table: pa.Table, target: np.ndarray, targets: int) -> None:
    """Writes ``table`` to file ``name`` with one batch for each of ``targets``; row i goes to batch ``target[i]``."""
    order = np.argsort(target, kind="stable")
    ordered = table.take(pa.array(order)).combine_chunks()
    bounds = np.searchsorted(target[order], np.arange(targets + 1))
    sink = io.BytesIO()
    with ipc.new_file(sink, table.schema, options=OPTIONS) as writer:
        for start, end in itertools.pairwise(bounds):
            batches = ordered.slice(start, end - start).to_batches()
            writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema))
    folder.write_bytes(name, sink.getvalue(), table.num_rows)


def batch(folder: Folder, name: str, target: int) -> pa.Table:
    """What file ``name`` holds for one target; reads only that batch, and no block ahead of it from object storage."""
    with (
        folder.fs.open(folder.path(name), "rb", cache_type="none") as file,
        ipc.open_file(pa.PythonFile(file, mode="r")) as reader,
    ):
        return pa.Table.from_batches([reader.get_batch(target)])
