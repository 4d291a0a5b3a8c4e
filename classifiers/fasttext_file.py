"""Whether a fastText file is whole. The library reads past the end of one that is cut, and may crash in doing so.

The layout is that of ``FastText::saveModel`` (https://github.com/facebookresearch/fastText, src/fasttext.cc,
dictionary.cc, matrix and quantizer files), little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

MAGIC, VERSION = 793712314, 12
SUPERVISED = 3
CENTROIDS = 256  # of each part of a quantised vector


def is_whole(path: Path) -> bool:
    """Whether the file holds a supervised fastText model and ends where that ends. Raises OSError."""
    with path.open("rb") as file:
        try:
            end = _end(file)
        except (struct.error, EOFError):
            return False
        return path.stat().st_size == end


def _end(file: BinaryIO) -> int:
    """The byte where the model ends; only its sizes are read. Raises struct.error or EOFError where one is cut off."""
    magic, version, *_, model, _, _, _, _, _ = _read(file, "<14id")
    if (magic, version, model) != (MAGIC, VERSION, SUPERVISED):
        return -1
    words, _, _, _, pruned = _read(file, "<iiiqq")
    for _ in range(words):
        _skip_word(file)
    file.seek(max(pruned, 0) * 8, 1)
    quantised = _read(file, "<?")[0]
    _skip_matrix(file, quantised)
    _skip_matrix(file, _read(file, "<?")[0] and quantised)
    return file.tell()


def _read(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _skip_word(file: BinaryIO) -> None:
    """A zero-terminated word with its count and its kind."""
    while (byte := file.read(1)) != b"\0":
        if not byte:
            raise EOFError
    file.seek(9, 1)


def _skip_matrix(file: BinaryIO, quantised: int) -> None:
    if not quantised:
        rows, columns = _read(file, "<qq")
        file.seek(4 * rows * columns, 1)
        return
    has_norms, rows, _, codes = _read(file, "<?qqi")
    file.seek(codes, 1)
    _skip_quantiser(file)
    if has_norms:
        file.seek(rows, 1)
        _skip_quantiser(file)


def _skip_quantiser(file: BinaryIO) -> None:
    dimensions, *_ = _read(file, "<4i")
    file.seek(4 * dimensions * CENTROIDS, 1)
