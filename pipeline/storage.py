"""A run's folder on any fsspec file system: atomic writes, and what was written with its size and checksum.

Every file is written to a temporary name and renamed (object stores: put whole), so that a reader sees all of it or
nothing, whenever the writer dies.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import uuid
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import UserError


class Folder:
    """The folder at ``url``. ``written`` lists the files written through this object: name → rows, bytes, sha256."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            # No cached listings: other processes write to the folder too.
            self.fs, self.root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise UserError(f"cannot open {url}: {error}") from None
        self.written: dict[str, dict[str, Any]] = {}

    def path(self, name: str) -> str:
        return posixpath.join(self.root, name)

    def exists(self, name: str) -> bool:
        return bool(self.fs.exists(self.path(name)))

    def names(self, folder: str, suffix: str = "") -> list[str]:
        """Sorted names, relative to the root, of all files below ``folder`` that end in ``suffix``."""
        if not self.exists(folder):
            return []
        start = len(self.root.rstrip("/")) + 1
        found = (str(path)[start:] for path in self.fs.find(self.path(folder)))
        return sorted(name for name in found if name.endswith(suffix) and not _temporary(name))

    def read_bytes(self, name: str) -> bytes:
        return bytes(self.fs.cat_file(self.path(name)))

    def write_bytes(self, name: str, data: bytes, rows: int | None = None) -> dict[str, Any]:
        """Writes a whole file atomically; returns its manifest entry."""
        path = self.path(name)
        if isinstance(self.fs, LocalFileSystem):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            temporary = f"{path}.{uuid.uuid4().hex}.tmp"
            try:
                with open(temporary, "wb") as file:
                    file.write(data)
                os.replace(temporary, path)
            except BaseException:
                if os.path.exists(temporary):
                    os.unlink(temporary)
                raise
        else:
            self.fs.pipe_file(path, data)
        entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self.written[name] = entry if rows is None else {"rows": rows, **entry}
        return self.written[name]

    def read_json(self, name: str) -> Any:
        return json.loads(self.read_bytes(name))

    def write_json(self, name: str, value: Any) -> None:
        self.write_bytes(name, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())

    def read_table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        with self.fs.open(self.path(name), "rb") as file:
            return pq.read_table(file, columns=columns, use_threads=False)

    def write_table(self, name: str, table: pa.Table) -> dict[str, Any]:
        """Parquet, zstd, row groups of 10,000: the same table gives the same bytes."""
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd", row_group_size=10_000, store_schema=True)
        return self.write_bytes(name, sink.getvalue(), table.num_rows)

    def remove(self, name: str) -> None:
        """Removes a file or a folder; does nothing where there is none."""
        if self.exists(name):
            self.fs.rm(self.path(name), recursive=True)

    def check_readable(self) -> None:
        """Raises UserError where the file system lets nobody look, such as object storage without credentials."""
        try:
            self.fs.exists(self.root)
        except Exception as error:  # whatever the file system raises, the user needs the one sentence
            raise UserError(f"cannot read {self.url}: {error}") from None

    def check_writable(self) -> None:
        """Raises UserError where nothing can be written."""
        try:
            self.write_bytes(".write-test", b"")
            self.remove(".write-test")
        except Exception as error:  # whatever the file system raises, the user needs the one sentence
            raise UserError(f"cannot write to the output {self.url}: {error}") from None
        self.written.clear()


def _temporary(name: str) -> bool:
    return name.endswith(".tmp")
