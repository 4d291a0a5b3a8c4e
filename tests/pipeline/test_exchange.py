"""The exchange loses and invents no row, keeps the order, and brings every answer back to its part."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import exchange
from pipeline.storage import Folder

MEMORY = st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=30), min_size=1, max_size=5)


class FakeRun:
    """Only what an exchange asks of a run."""

    def __init__(self, folder: Folder, parts: int, partitions: int) -> None:
        self.folder, self.parts, self.partitions = folder, [None] * parts, partitions


@settings(max_examples=40, deadline=None)
@given(parts=MEMORY, partitions=st.integers(1, 7))
def test_there_and_back_loses_and_invents_no_row(parts: list[list[int]], partitions: int) -> None:
    """Would catch rows lost at partition borders, empty parts, and answers that reach the wrong part."""
    run = FakeRun(Folder(f"memory://exchange-{hash(str(parts))}-{partitions}"), len(parts), partitions)
    box = exchange.Exchange(run, "test")  # type: ignore[arg-type]
    for part, keys in enumerate(parts):
        rows = pa.table(
            {
                "key": pa.array(keys, pa.uint64()),
                "part": pa.array([part] * len(keys), pa.int32()),
                "row": pa.array(range(len(keys)), pa.int32()),
            }
        )
        box.send(part, rows)
    seen = []
    for partition in range(partitions):
        received = box.received(partition)
        assert all(key % partitions == partition for key in received["key"].to_pylist())
        places = list(zip(received["part"].to_pylist(), received["row"].to_pylist(), strict=True))
        assert places == sorted(places), "rows of a partition come in (part, row) order"
        seen += places
        box.answer(partition, received.select(["part", "row"]))
    assert sorted(seen) == [(part, row) for part, keys in enumerate(parts) for row in range(len(keys))]
    for part, keys in enumerate(parts):
        answers = box.answers(part)
        assert answers["part"].to_pylist() == [part] * len(keys)
        assert sorted(answers["row"].to_pylist()) == list(range(len(keys)))


def test_scatter_is_the_same_bytes_each_time(tmp_path: object) -> None:
    """Would catch anything in the file that is no function of the rows, such as times."""
    folder = Folder(str(tmp_path))
    table = pa.table({"key": pa.array(np.arange(1000), pa.uint64())})
    for name in ("a", "b"):
        exchange.scatter(folder, name, table, np.arange(1000) % 7, 7)
    assert folder.read_bytes("a") == folder.read_bytes("b")
