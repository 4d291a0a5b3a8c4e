"""Which files are read, and how each is cut into parts that can be read apart."""

from __future__ import annotations

import glob
import math
from collections.abc import Sequence

from fsspec.core import url_to_fs

from pipeline.errors import UserError
from pipeline.reading.parts import Part, format_of, known_suffixes
from pipeline.reading.tables import row_ranges
from pipeline.reading.window import open_window


def inputs(patterns: Sequence[str]) -> list[str]:
    """Every file that the patterns name, sorted: files, globs and folders (searched to the bottom), on any file system.

    Globs and folders give only files whose format is known. Raises UserError when a pattern gives none.
    """
    return sorted({path for pattern in patterns for path in _expand(pattern)})


def _expand(pattern: str) -> list[str]:
    try:
        fs, name = url_to_fs(pattern)
        if format_of(pattern) and fs.exists(name):
            found = [name]
        elif glob.has_magic(pattern):
            found = fs.glob(name)
        elif fs.isdir(name):
            found = fs.find(name)
        elif fs.exists(name):
            raise UserError(f"{pattern} is in no format that can be read: name it {known_suffixes()}")
        else:
            found = []
    except UserError:
        raise
    except Exception as error:  # whatever the file system raises, the user needs the one sentence
        raise UserError(f"cannot look for input files at {pattern}: {error}") from error
    local = "file" in ([fs.protocol] if isinstance(fs.protocol, str) else fs.protocol)
    paths = [path if local else fs.unstrip_protocol(path) for path in found if format_of(path)]
    if not paths:
        raise UserError(f"no input file matches {pattern}: give files, globs or folders of {known_suffixes()}")
    return paths


def split(path: str, part_bytes: int) -> list[Part]:
    """Cut a file into parts of about ``part_bytes`` stored bytes that together hold every record once.

    Gzipped WARC and WET are cut at any byte, as a part begins with the first sound member at or after its start;
    Parquet between row groups. Plain WARC and JSONL stay whole, as a record boundary cannot be told from page text.
    """
    form = format_of(path)
    if form is None:
        raise UserError(f"{path} is in no format that can be read: name it {known_suffixes()}")
    if form == "parquet":
        return [Part(path, start, end) for start, end in row_ranges(path, part_bytes)]
    if form == "jsonl" or not path.partition("?")[0].endswith(".gz"):
        return [Part(path)]
    with open_window(path) as window:
        count = max(1, math.ceil(window.size / part_bytes))
        cuts = [index * window.size // count for index in range(count)]
    return [Part(path, start, end) for start, end in zip(cuts, [*cuts[1:], None], strict=True)]
