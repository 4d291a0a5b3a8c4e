"""What goes on from earlier runs: how often each head and tail line was seen.

A run's ``counts/lines`` holds its own counts and those of the runs that it was itself set ``against``, so that one name
stands for a whole chain of crawls.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.dedup import lines
from pipeline.errors import UserError
from pipeline.run import Run, open_run
from pipeline.storage import Folder

COUNTS = "counts/lines"  # one file a partition, schema lines.COUNTS
MANIFEST = "steps/lines.json"


def runs(config: Config) -> list[Run]:
    """The runs of ``refine.lines.against``.

    Raises UserError where one has no counts, or would count twice.
    """
    against = config.refine.lines.against
    for path in against:
        folder = Folder(path)
        if not all(folder.exists(name) for name in ("run.yaml", MANIFEST, COUNTS)):
            raise UserError(
                f"refine.lines.against: {path} has no line counts ({COUNTS}): give the folder of a run that has ended"
            )
    counted = Counter(root for path in (config.output, *against) for root in _counted(path, path != config.output))
    for root, times in counted.items():
        if times > 1:
            raise UserError(
                f"refine.lines.against: {root} would count {times} times; of runs that were set against each other "
                "name the last alone, and never the output"
            )
    return [open_run(path) for path in against]


def _counted(path: str, with_earlier: bool = True) -> list[str]:
    """The run in a folder and those before it whose counts are in its own."""
    folder = Folder(path)
    if not (with_earlier and folder.exists("run.yaml")):
        return [folder.root]
    before = open_run(path).config.refine.lines.against
    return [folder.root, *(root for earlier in before for root in _counted(earlier))]


def line_counts(run: Run, partition: int) -> pa.Table:
    """What earlier runs counted for the keys of one partition (schema ``lines.COUNTS``)."""
    counts: list[pa.Table] = []
    for earlier in runs(run.config):
        names = earlier.folder.names(COUNTS, ".parquet")
        # A key's remainders by two numbers agree by their common divisor, so only these files can hold the partition's.
        step = math.gcd(len(names), run.partitions)
        for name in names[partition % step :: step]:
            counts += _of_partition(earlier.folder, name, partition, run.partitions)
    return lines.add_up(counts)


def _of_partition(folder: Folder, name: str, partition: int, partitions: int) -> list[pa.Table]:
    """The rows of a file whose key falls into a partition; no more than a row group of the others is in memory."""
    with folder.fs.open(folder.path(name), "rb") as file:
        found = []
        for batch in pq.ParquetFile(file).iter_batches():
            mine = batch["key"].to_numpy() % np.uint64(partitions) == partition
            found.append(pa.Table.from_batches([batch.filter(pa.array(mine))]))
    return found
