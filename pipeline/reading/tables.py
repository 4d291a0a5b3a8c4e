"""Texts or pages that others have put into tables: Parquet and JSON Lines.

Columns: ``text``, or else ``html`` or ``body`` (bytes or string); ``url`` and ``date`` where there are any. A record's
place is its row number and its length is one row.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from isal import igzip

from pipeline.errors import UserError
from pipeline.reading.parts import Limits, Part
from pipeline.reading.streams import InflateError
from pipeline.reading.urls import clean_url
from pipeline.reading.wet import set_text
from pipeline.reading.window import open_file
from pipeline.schema import Record

CONTENT_COLUMNS = ("text", "html", "body")  # the first that there is
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
BATCH_ROWS = 256
MAX_ZSTD_WINDOW = 1 << 27  # bytes; the format allows far more, which a hostile file would make us reserve


def row_ranges(path: str, part_bytes: int) -> list[tuple[int, int | None]]:
    """Row ranges of about ``part_bytes`` stored bytes, cut between row groups; UserError if no column can be read."""
    with open_file(path) as (file, _):
        try:
            parquet = pq.ParquetFile(file)
        except (pa.ArrowException, OSError):
            return [(0, None)]  # reading it quarantines it
        _content_column(parquet.schema_arrow.names, path)
        starts, stored, row = [0], 0, 0
        for index in range(parquet.num_row_groups):
            if stored >= part_bytes:
                starts.append(row)
                stored = 0
            group = parquet.metadata.row_group(index)
            stored += sum(group.column(column).total_compressed_size for column in range(group.num_columns))
            row += group.num_rows
    return list(zip(starts, [*starts[1:], None], strict=True))


def read_parquet(part: Part, limits: Limits) -> Iterator[Record]:
    """The rows of the row groups that begin in the part; raises UserError where there is no column to read."""
    with open_file(part.path) as (file, _):
        try:
            parquet = pq.ParquetFile(file, buffer_size=1 << 20)
        except (pa.ArrowException, OSError) as error:
            yield _broken(0, 0, "table.bad_file", f"no Parquet file: {error}")
            return
        column = _content_column(parquet.schema_arrow.names, part.path)
        columns = [name for name in (column, "url", "date") if name in parquet.schema_arrow.names]
        begin = 0
        for index in range(parquet.num_row_groups):
            end = begin + parquet.metadata.row_group(index).num_rows
            if part.start <= begin and (part.end is None or begin < part.end):
                yield from _read_row_group(parquet, index, columns, begin, end, limits)
            begin = end


def _read_row_group(
    parquet: pq.ParquetFile, index: int, columns: list[str], row: int, end: int, limits: Limits
) -> Iterator[Record]:
    try:
        for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[index], columns=columns):
            for values in batch.to_pylist():
                yield _record(row, values, columns[0], limits)
                row += 1
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield _broken(row, end - row, "table.bad_row_group", f"row group {index}: {error}")


def read_jsonl(part: Part, limits: Limits) -> Iterator[Record]:
    """Every line of the file; raises UserError where the first good line has no column to read."""
    column = None
    row = 0
    with open_file(part.path) as (file, _):
        try:
            for line in _lines(_decompressed(file, part.path), limits):
                values = _object(line)
                if isinstance(values, dict):
                    column = column or _content_column(values, part.path)
                    yield _record(row, values, column, limits)
                else:
                    yield _broken(row, 1, "table.line_too_long" if line is None else "table.bad_line", values)
                row += 1
        except (OSError, EOFError, zlib.error, InflateError, zstandard.ZstdError) as error:
            yield _broken(row, 1, "table.bad_stream", f"does not decompress from here on: {error}")


def _object(line: bytes | None) -> dict[str, Any] | str:
    """The JSON object on the line, or what is wrong with it."""
    if line is None:
        return "line longer than twice the largest page"
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return str(error)[:200]
    return values if isinstance(values, dict) else f"a JSON {type(values).__name__}, no object"


def _decompressed(file: BinaryIO, path: str) -> BinaryIO:
    name = path.partition("?")[0]
    if name.endswith(".gz"):
        return cast(BinaryIO, igzip.IGzipFile(fileobj=file))
    if name.endswith(".zst"):
        reader = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW).stream_reader(
            file, read_across_frames=True
        )
        return cast(BinaryIO, io.BufferedReader(cast(Any, reader), 1 << 20))
    return file


def _lines(file: BinaryIO, limits: Limits) -> Iterator[bytes | None]:
    """The lines that are not blank; None for one that is too long, which is never held."""
    limit = 2 * limits.max_page_bytes  # JSON escapes make a text longer
    while line := file.readline(limit):
        if len(line) < limit or line.endswith(b"\n"):
            if line.strip():
                yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(limit)
        yield None


def _content_column(names: Iterable[str], path: str) -> str:
    names = list(names)
    for column in CONTENT_COLUMNS:
        if column in names:
            return column
    raise UserError(
        f"{path} has no column text, html or body, but {', '.join(names) or 'none'}: rename the one to read"
    )


def _record(row: int, values: dict[str, Any], column: str, limits: Limits) -> Record:
    url, date, content = values.get("url"), values.get("date"), values.get(column)
    record = Record(row, 1, url=clean_url(_valid(url)) or "" if isinstance(url, str) else "")
    if date is not None:
        record.date = date.isoformat() if isinstance(date, datetime.date) else _valid(str(date))
    if not isinstance(content, str | bytes):
        return _broken(row, 1, "table.no_text", f"column {column} holds {type(content).__name__}")
    if column == "text":
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else _valid(content)
        set_text(record, text, limits)
    elif len(content) > limits.max_page_bytes:
        record.reason = "http.too_large"
    elif not content.strip():
        record.reason = "http.empty"
    elif isinstance(content, str):
        record.body, record.charset = _valid(content).encode(), "utf-8"
    else:
        record.body = content
    return record


def _valid(text: str) -> str:
    """The text without lone surrogates, which JSON may escape and UTF-8 cannot hold."""
    return text if text.isascii() else LONE_SURROGATE.sub("\ufffd", text)


def _broken(row: int, rows: int, reason: str, detail: str) -> Record:
    return Record(row, rows, reason=reason, quarantined=True, detail=detail)
