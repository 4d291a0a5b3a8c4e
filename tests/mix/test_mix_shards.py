import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.mix import shards
from pipeline.storage import Folder


def documents(count: int) -> pa.Table:
    random = np.random.default_rng(0)
    ids = [random.integers(0, 30_000, 1 + i % 50).tolist() for i in range(count)]
    return pa.table(
        {
            "record_id": [f"{i:016x}" for i in range(count)],
            "url": [f"https://example.org/{i}" for i in range(count)],
            "title": [None if i % 3 else f"Title {i}" for i in range(count)],
            "language": ["zh" if i % 4 == 0 else "en" for i in range(count)],
            "quality": pa.array(random.random(count), pa.float32()),
            "date": ["2024-01-01T00:00:00Z"] * count,
            "text": pa.array([random.bytes(50).hex() for _ in range(count)], pa.large_string()),
            "tokens": pa.array([len(one) for one in ids], pa.int32()),
            "token_ids": pa.array(ids, pa.list_(pa.int32())),
        },
        schema=shards.SHARD,
    )


def write(path: Path, table: pa.Table, batch: int, max_bytes: int = 150_000) -> list[dict]:
    batches = (table.slice(start, batch) for start in range(0, table.num_rows, batch))
    return shards.write_category(batches, "maths", Folder(str(path)), max_bytes)["files"]


def test_files_hold_every_document_in_order(tmp_path: Path) -> None:
    """Catches rows lost where a file or a row group ends."""
    table = documents(4321)
    files = write(tmp_path, table, 700)
    assert len(files) > 1 and sum(file["rows"] for file in files) == 4321
    read = pa.concat_tables(pq.read_table(tmp_path / "shards" / file["path"], partitioning=None) for file in files)
    assert read.equals(table)
    groups = [pq.ParquetFile(tmp_path / "shards" / f["path"]).metadata for f in files]
    sizes = [m.row_group(i).num_rows for m in groups for i in range(m.num_row_groups)]
    assert set(sizes[:-1]) == {shards.ROW_GROUP}


def test_bytes_do_not_depend_on_the_batches(tmp_path: Path) -> None:
    table = documents(2500)
    entries = [write(tmp_path / str(batch), table, batch) for batch in (1, 999, 2500)]
    assert entries[0] == entries[1] == entries[2]


def test_cells_count_documents_and_tokens_by_language_and_quality_band(tmp_path: Path) -> None:
    """Catches an edge that falls into the lower band, also where float32 rounds it."""
    quality = pa.array([0.0, 0.4999, 0.5, 0.7999, 0.8, 1.0, 0.9, 0.1, 0.6, 0.9], pa.float32())
    table = documents(10).set_column(4, "quality", quality)
    cells = shards.write_category([table], "maths", Folder(str(tmp_path)), 10**6)["cells"]
    assert [tuple(cell.values()) for cell in cells] == [
        ("maths", "en", "low", 2, 2 + 8),
        ("maths", "en", "middle", 2, 3 + 4),
        ("maths", "en", "high", 3, 6 + 7 + 10),
        ("maths", "zh", "low", 1, 1),
        ("maths", "zh", "middle", 1, 9),
        ("maths", "zh", "high", 1, 5),
    ]


def test_cells_of_rows_are_those_of_each_row_alone() -> None:
    """Catches places that slip where a language or a band is missing."""
    table = documents(50)
    cells, places = shards.cells_of(table, "maths")
    alone = [shards.cells_of(table.slice(row, 1), "maths")[0] for row in range(50)]
    assert [[cells[place]] for place in places] == alone


def test_a_category_without_documents_writes_nothing(tmp_path: Path) -> None:
    written = shards.write_category([shards.SHARD.empty_table()], "maths", Folder(str(tmp_path)), 10**6)
    assert written == {"files": [], "cells": []} and not list(tmp_path.iterdir())


@pytest.fixture
def run(tmp_path: Path) -> Folder:
    folder = Folder(str(tmp_path))
    folder.write_json(shards.MANIFEST, shards.manifest(write(tmp_path, documents(1500), 300, 60_000)))
    return folder


def test_manifest_adds_up_and_verifies(run: Folder) -> None:
    manifest = json.loads(run.read_bytes(shards.MANIFEST))
    assert manifest["rows"] == 1500 and manifest["tokens"] == sum(1 + i % 50 for i in range(1500))
    paths = [file["path"] for file in manifest["files"]]
    assert len(paths) > 1 and paths == [f"category=maths/part-{i:05d}.parquet" for i in range(len(paths))]
    shards.verify(run)


def test_verify_sees_a_file_that_changed_is_missing_or_is_not_listed(run: Folder) -> None:
    first = Path(run.path("shards/category=maths/part-00000.parquet"))
    whole = first.read_bytes()
    for damage, sentence in ((whole[:-1], "not the file"), (b"\0" + whole[1:], "not the file"), (None, "is missing")):
        first.unlink() if damage is None else first.write_bytes(damage)
        with pytest.raises(UserError, match=sentence):
            shards.verify(run)
    first.write_bytes(whole)
    first.with_name("part-00009.parquet").write_bytes(whole)
    with pytest.raises(UserError, match=r"part-00009\.parquet is not in the manifest"):
        shards.verify(run)


def test_verify_names_a_run_without_shards(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has not finished"):
        shards.verify(Folder(str(tmp_path)))
