"""Parquet and JSON Lines as inputs."""

from __future__ import annotations

import datetime
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.reading import Limits, Part, read, split

ROWS = [{"text": f"text {n} 文", "url": f"http://a.example/{n}", "date": "2024-05-22T12:00:00Z"} for n in range(50)]


def write_parquet(path: Path, rows: list[dict], row_group_size: int = 7) -> str:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=row_group_size)
    return str(path)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_parquet(tmp_path_factory.mktemp("tables") / "rows.parquet", ROWS)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=5))
def test_parquet_parts_give_every_row_once(cuts: list[int], parquet: str) -> None:
    """Catches row groups that are lost or doubled at the edges of parts."""
    edges = [0, *sorted(cuts)]
    parts = [Part(parquet, start, end) for start, end in zip(edges, [*edges[1:], None], strict=True)]
    records = [record for part in parts for record in read(part)]
    assert [(r.offset, r.length, r.text, r.url, r.date) for r in records] == [
        (n, 1, row["text"], row["url"], row["date"]) for n, row in enumerate(ROWS)
    ]


def test_parquet_is_split_between_row_groups(parquet: str) -> None:
    """Catches parts that begin inside of a row group, which would be read twice."""
    parts = split(parquet, 1)
    assert [part.start for part in parts] == list(range(0, 50, 7))
    assert parts[-1].end is None
    assert len(split(parquet, 1 << 30)) == 1


def test_html_columns_and_dates(tmp_path: Path) -> None:
    """Catches bytes taken for text, and dates that are no strings."""
    date = datetime.datetime(2024, 5, 22, 12)
    rows = [{"html": b"<p>\xb0\xa1", "date": date}, {"html": b" ", "date": None}, {"html": None, "date": date}]
    records = list(read(Part(write_parquet(tmp_path / "x.parquet", rows))))
    assert [r.reason for r in records] == [None, "http.empty", "table.no_text"]
    assert records[0].body == b"<p>\xb0\xa1"
    assert records[0].text is None
    assert records[0].date == "2024-05-22T12:00:00"


def test_a_missing_column_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    """Catches a crash, or a run over no text at all, where the column has another name."""
    path = write_parquet(tmp_path / "x.parquet", [{"content": "x", "id": 1}])
    for attempt in (lambda: split(path, 100), lambda: list(read(Part(path)))):
        with pytest.raises(UserError, match="content, id"):
            attempt()
    (tmp_path / "x.jsonl").write_text('{"content": "x"}\n')
    with pytest.raises(UserError, match="content"):
        list(read(Part(str(tmp_path / "x.jsonl"))))


def test_broken_parquet_is_quarantined(tmp_path: Path) -> None:
    """Catches a damaged file or row group that stops the run or vanishes from the ledger."""
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing else")
    path = str(tmp_path / "bad.parquet")
    assert [(r.reason, r.quarantined) for part in split(path, 9) for r in read(part)] == [("table.bad_file", True)]
    path = write_parquet(tmp_path / "damaged.parquet", ROWS, row_group_size=10)
    stored = bytearray(Path(path).read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(2).column(0)
    stored[column.data_page_offset : column.data_page_offset + 12] = b"\xff" * 12
    Path(path).write_bytes(stored)
    records = list(read(Part(path)))
    assert sum(r.length for r in records) == len(ROWS)
    assert [(r.offset, r.length) for r in records if r.quarantined] == [(20, 10)]


def compress(data: bytes, suffix: str) -> bytes:
    return {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix](data)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_jsonl(tmp_path: Path, suffix: str) -> None:
    """Catches a bad line that stops the file, and row numbers that slip after it."""
    lines = [
        json.dumps(ROWS[0]),
        "{broken",
        "[1, 2]",
        '{"url": "http://a.example/x"}',
        '{"text": "\\ud800 x"}',
        "\u4e2d",
    ]
    path = tmp_path / f"x.jsonl{suffix}"
    path.write_bytes(compress("\n".join([*lines, json.dumps(ROWS[1], ensure_ascii=False)]).encode(), suffix))
    records = list(read(Part(str(path))))
    assert [r.offset for r in records] == list(range(7))
    bad = "table.bad_line"
    assert [r.reason for r in records] == [None, bad, bad, "table.no_text", None, bad, None]
    assert records[4].text == "\ufffd x"
    assert records[6].text == ROWS[1]["text"]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_that_is_cut(tmp_path: Path, suffix: str) -> None:
    """Catches a cut file that reads like a whole one, or that loses the rows before the cut."""
    stored = compress(
        "".join(json.dumps({"text": f"{n} {hash(n * n)}" * 50}) + "\n" for n in range(9000)).encode(), suffix
    )
    path = tmp_path / f"x.jsonl{suffix}"
    path.write_bytes(stored[: len(stored) * 3 // 4])
    records = list(read(Part(str(path))))
    assert len(records) > 100
    assert {r.reason for r in records[:-2]} == {None}
    assert records[-1].quarantined


def test_long_lines_are_not_held(tmp_path: Path) -> None:
    """Catches memory that grows with a line, and the loss of the line after it."""
    (tmp_path / "x.jsonl").write_text('{"text": "a"}\n{"text": "' + "b" * 5000 + '"}\n{"text": "c"}\n')
    records = list(read(Part(str(tmp_path / "x.jsonl")), Limits(max_page_bytes=1000)))
    assert [(r.text, r.reason) for r in records] == [("a", None), (None, "table.line_too_long"), ("c", None)]
