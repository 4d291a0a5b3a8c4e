"""What the export's tests share: one tiny run, and the mix of it in each format."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_run import write_run

from pipeline.export.writer import export
from pipeline.storage import Folder

SHARD_MEGABYTES = 0.01  # so that there are some


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), documents=60, words=40)


@pytest.fixture(scope="session")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an export in the format of this name. Tests read it and never write to it."""

    @cache
    def make(format_name: str) -> Path:
        folder, run = tmp_path_factory.mktemp(format_name), Folder(str(run_folder))
        manifest = export(run, run.read_json("mix.json"), Folder(str(folder)), format_name, SHARD_MEGABYTES)
        assert len(manifest["shards"]) > 2
        return folder

    return make


@pytest.fixture(scope="session")
def documents(exported: Callable[[str], Path]) -> pa.Table:
    """What every format has to hold, in order."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(exported("parquet").glob("*.parquet")))
