"""Random access to a stored file through one block in memory, on any file system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from fsspec.core import url_to_fs

from pipeline.errors import UserError

BLOCK = 4 << 20  # bytes asked for at a time: few requests on object storage, little memory


class Window:
    """A file seen through one block, which moves when bytes outside of it are asked for."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file
        self._block = b""
        self._base = 0  # file offset of the block's first byte

    def at(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset``; fewer only where the file ends."""
        begin = self._hold(offset, count)
        return self._block[begin : begin + count]

    def before(self, needle: bytes, offset: int, count: int) -> bytes:
        """As ``at``, but no further than to the first ``needle`` that begins after ``offset``."""
        begin = self._hold(offset, count)
        found = self._block.find(needle, begin + 1, begin + count)
        return self._block[begin : begin + count if found < 0 else found]

    def find(self, needle: bytes, offset: int) -> int:
        """Where ``needle`` first begins at or after ``offset``; the size of the file if nowhere."""
        while offset < self.size:
            begin = self._hold(offset, len(needle))
            found = self._block.find(needle, begin)
            if found >= 0:
                return self._base + found
            offset = max(offset, self._base + len(self._block) - len(needle)) + 1
        return self.size

    def _hold(self, offset: int, count: int) -> int:
        """Have ``[offset, offset + count)`` in the block; give the place of ``offset`` in it."""
        begin = offset - self._base
        if begin < 0 or (begin + count > len(self._block) and self._base + len(self._block) < self.size):
            self._file.seek(offset)
            try:
                self._block = self._file.read(max(BLOCK, count))
            except ValueError as error:  # fsspec's word for a web server that serves no ranges
                raise UserError(f"an input file cannot be read in parts ({error}): copy it to a disk first") from error
            self._base = offset
            begin = 0
        return begin


@contextmanager
def open_window(path: str) -> Iterator[Window]:
    """Open a local path or URL for random access; raises UserError where that cannot be done."""
    with open_file(path) as (file, size):
        if size is None:
            raise UserError(f"{path} does not tell its size, so it cannot be read in parts: copy it to a disk first")
        yield Window(file, size)


@contextmanager
def open_file(path: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """An open file and its size in bytes (None where the server does not tell); raises UserError if there is none."""
    try:
        fs, name = url_to_fs(path)
        size = fs.size(name)
        # Readers ask for large blocks themselves; a second cache below them would only copy.
        file = fs.open(name, "rb", cache_type="none")
    except (OSError, ImportError, ValueError) as error:
        raise UserError(f"cannot open {path}: {error}") from error
    with file:
        yield file, size
