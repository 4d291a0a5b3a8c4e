"""Files appear whole or not at all, with their checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import UserError
from pipeline.storage import Folder


def test_write_is_whole_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    """Would catch a half-written file under the final name, and litter that listings pick up."""
    folder = Folder(str(tmp_path / "run"))
    entry = folder.write_bytes("a/b.bin", b"hello")
    assert entry == {"bytes": 5, "sha256": hashlib.sha256(b"hello").hexdigest()}
    (tmp_path / "run/a/c.bin.123.tmp").write_bytes(b"torn")
    assert folder.names("a") == ["a/b.bin"]


def test_same_table_same_bytes(tmp_path: Path) -> None:
    """Would catch a time stamp or a random id in what Parquet writes."""
    folder = Folder(str(tmp_path))
    table = pa.table({"x": ["é", None, "中文"]})
    one, two = folder.write_table("1.parquet", table), folder.write_table("2.parquet", table)
    assert one == two
    assert folder.read_table("1.parquet").equals(table)


def test_names_are_relative_on_any_file_system(tmp_path: Path) -> None:
    """Would catch absolute paths of one file system leaking into a run."""
    for folder in (Folder(str(tmp_path)), Folder("memory://names-test/run")):
        folder.write_json("steps/a.json", {})
        folder.write_json("steps/b/c.json", {})
        assert folder.names("steps", ".json") == ["steps/a.json", "steps/b/c.json"]


def test_unwritable_output_is_one_sentence(tmp_path: Path) -> None:
    """Would catch a run that works for hours and then cannot write."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(UserError, match="cannot write to the output"):
        Folder(str(blocked / "run")).check_writable()


def test_unknown_protocol_is_one_sentence() -> None:
    """Would catch a traceback on a mistyped URL."""
    with pytest.raises(UserError, match="cannot open"):
        Folder("s4://bucket/run")
