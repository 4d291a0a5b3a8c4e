"""Block lists of millions of entries as one sorted array of 64-bit hashes, memory-mapped and shared by all workers.

4.6 million domains take 37 MB once, where Python sets take 870 MB in each process. That an entry outside the list has
the hash of one in it happens once in 4e12 look-ups.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numba import njit

from pipeline.errors import UserError

_FORMAT = "1"  # of the arrays in the cache: a change of the hash must change it
_SEED = np.uint64(0xCBF29CE484222325)  # FNV-1a
_PRIME = np.uint64(0x100000001B3)
_FOLD = np.uint64(32)


@njit(cache=True, nogil=True)
def hash_lines(text: np.ndarray) -> np.ndarray:
    """uint64[lines]: FNV-1a of each line of uint8[bytes], A to Z taken as a to z; no line end closes the last line."""
    lines = 1
    for byte in text:
        lines += byte == 10
    hashes = np.empty(lines, np.uint64)
    line, digest = 0, _SEED
    for byte in text:
        if byte == 10:
            hashes[line] = digest ^ (digest >> _FOLD)
            line, digest = line + 1, _SEED
        else:
            lower = byte | 32 if 65 <= byte <= 90 else byte
            digest = (digest ^ np.uint64(lower)) * _PRIME
    hashes[line] = digest ^ (digest >> _FOLD)
    return hashes


class BlockList:
    """A set of strings of which only the hashes are kept."""

    def __init__(self, hashes: np.ndarray) -> None:
        """``hashes``: uint64[entries], sorted."""
        self._hashes = np.asarray(hashes)

    def __len__(self) -> int:
        return self._hashes.size

    def first(self, candidates: Sequence[str]) -> str | None:
        """The first of the candidates that is in the list."""
        if not self._hashes.size or not candidates:
            return None
        wanted = hash_lines(np.frombuffer("\n".join(candidates).encode("utf-8", "replace"), np.uint8))
        places = np.searchsorted(self._hashes, wanted)
        found = self._hashes[np.minimum(places, self._hashes.size - 1)] == wanted
        return candidates[int(found.argmax())] if found.any() else None

    @classmethod
    def cached(cls, name: str, version: str, read_lines: Callable[[], bytes]) -> BlockList:
        """The list of this name and version from the cache folder, where it is built if it is not there.

        ``read_lines`` gives the entries, one a line. Workers that build at the same time do not disturb
        each other: a file is renamed into place once it is whole. Raises UserError where the cache cannot be written.
        """
        key = hashlib.blake2b(f"{_FORMAT}\0{name}\0{version}".encode(), digest_size=8).hexdigest()
        path = cache_folder() / f"{name}-{key}.npy"
        try:
            return cls(np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError):
            pass  # not there yet, or damaged: built again
        text = read_lines().strip(b"\n")
        hashes = hash_lines(np.frombuffer(text, np.uint8)) if text else np.empty(0, np.uint64)
        hashes.sort()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
                np.save(file, hashes, allow_pickle=False)
            os.replace(file.name, path)
        except OSError as error:
            message = (
                f"cannot write the cache {path.parent} ({error}): set CRAWLMIX_CACHE to a folder that can be written"
            )
            raise UserError(message) from error
        return cls(np.load(path, mmap_mode="r", allow_pickle=False))


def cache_folder() -> Path:
    """``$CRAWLMIX_CACHE``, or else ``~/.cache/crawlmix``: things that can be made again."""
    return Path(os.environ.get("CRAWLMIX_CACHE") or Path.home() / ".cache" / "crawlmix")
