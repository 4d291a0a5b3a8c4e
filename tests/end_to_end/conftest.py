"""What end-to-end tests share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

RESULTS = (
    *("ledger", "shards", "documents", "signals", "verdicts", "edits"),
    *("mix.json", "mass.parquet", "tokenizer.json"),
)


def _digests(run: Path) -> dict[str, str]:
    """The checksum of every file that must be the same in every run."""
    files = [file for name in RESULTS for file in ([run / name] if (run / name).is_file() else (run / name).rglob("*"))]
    return {
        file.relative_to(run).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
        if file.is_file()
    }


@pytest.fixture(scope="session")
def digests() -> Callable[[Path], dict[str, str]]:
    return _digests
