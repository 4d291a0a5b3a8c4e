"""One run over every kind of input: what comes out is what the demo crawl's run has of the same pages."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import zstandard

from jobs.cli import main
from pipeline.extraction.decode import decode
from pipeline.reading import Part, read

PAGES = 3  # of each kind of input


@dataclass(frozen=True)
class Page:
    """A page of the demo crawl, and the text that the demo crawl's run took from it and kept."""

    url: str
    html: bytes
    charset: str  # as its server said, if it did
    text: str

    def response(self) -> bytes:
        charset = f"; charset={self.charset}" if self.charset else ""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html{charset}\r\n\r\n"
        return self._record("response", head.encode() + self.html)

    def conversion(self) -> bytes:
        return self._record("conversion", self.text.encode())

    def _record(self, kind: str, block: bytes) -> bytes:
        fields = f"WARC-Type: {kind}\r\nWARC-Target-URI: {self.url}\r\nWARC-Date: 2024-05-18T00:00:00Z\r\n"
        return f"WARC/1.0\r\n{fields}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


Pages = Sequence[Page]


def members(records: list[bytes]) -> bytes:
    return b"".join(gzip.compress(record, mtime=0) for record in records)


def json_lines(pages: Pages, content: str) -> bytes:
    rows = [
        {"url": page.url, content: page.text if content == "text" else decode(page.html, page.charset).text}
        for page in pages
    ]
    return "\n".join(json.dumps(row) for row in rows).encode()


def write_folder(path: Path, pages: Pages) -> None:
    """A folder of one file a page, with a file of another kind beside them."""
    path.mkdir()
    (path / "README.txt").write_text("no crawl file")
    for number, page in enumerate(pages):
        (path / f"{number}.warc.gz").write_bytes(members([page.response()]))


def write_parquet(path: Path, pages: Pages, content: str) -> None:
    pq.write_table(
        pa.table({"url": [page.url for page in pages], content: [getattr(page, content) for page in pages]}), path
    )


KINDS: dict[str, Callable[[Path, Pages], Any]] = {
    "plain.warc": lambda path, pages: path.write_bytes(b"".join(page.response() for page in pages)),
    "folder": write_folder,
    "texts.warc.wet.gz": lambda path, pages: path.write_bytes(members([page.conversion() for page in pages])),
    "plain-text.warc.wet": lambda path, pages: path.write_bytes(b"".join(page.conversion() for page in pages)),
    "text.parquet": lambda path, pages: write_parquet(path, pages, "text"),
    "html.parquet": lambda path, pages: write_parquet(path, pages, "html"),
    "text.jsonl": lambda path, pages: path.write_bytes(json_lines(pages, "text")),
    "html.jsonl": lambda path, pages: path.write_bytes(json_lines(pages, "html")),
    "text.jsonl.gz": lambda path, pages: path.write_bytes(gzip.compress(json_lines(pages, "text"))),
    "text.jsonl.zst": lambda path, pages: path.write_bytes(zstandard.compress(json_lines(pages, "text"))),
}


def kept_pages(run: Path, crawl: Path) -> list[Page]:
    """The pages that the run kept, in an order that mixes sites and languages and is always the same."""
    ledger = ds.dataset(run / "ledger").to_table().to_pylist()
    kept = {row["record_id"] for row in ledger if row["verdict"] == "kept"}
    documents = ds.dataset(run / "documents").to_table(columns=["record_id", "url", "text"]).to_pylist()
    texts = {row["url"]: row["text"] for row in documents if row["record_id"] in kept}
    records = {r.url: r for file in crawl.glob("*.warc.gz") for r in read(Part(str(file))) if r.reason is None}
    return [
        Page(url, records[url].body, records[url].charset, texts[url])
        for url in sorted(texts, key=lambda url: hashlib.sha1(url.encode()).digest())
    ]


@pytest.fixture(scope="module")
def pages(demo_run: Path, demo_crawl: Path) -> dict[str, Pages]:
    """The pages that each kind of input gets."""
    all_pages = kept_pages(demo_run, demo_crawl)
    return {kind: all_pages[place * PAGES :][:PAGES] for place, kind in enumerate(KINDS)}


@pytest.fixture(scope="module")
def run(engine: Any, pages: dict[str, Pages], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the command on inputs of all kinds."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "crawl").mkdir()
    for kind, write in KINDS.items():
        write(folder / "crawl" / kind, pages[kind])
    inputs = [option for kind in KINDS for option in ("--input", f"{folder}/crawl/{kind}")]
    assert main(["run", *inputs, "--output", str(folder / "run"), "--set", "balance.tokens.vocabulary=512"]) == 0
    return folder / "run"


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_documents_come_out(kind: str, run: Path, pages: dict[str, Pages]) -> None:
    """Would catch a kind of input that is not read, or read to other text, or dropped on the way to the shards."""
    documents = ds.dataset(run / "documents").to_table(columns=["url", "text"]).to_pylist()
    texts = {row["url"]: row["text"] for row in documents}
    assert {page.url: texts.get(page.url) for page in pages[kind]} == {page.url: page.text for page in pages[kind]}
    reasons = {row["url"]: row["reason"] for row in ds.dataset(run / "ledger").to_table().to_pylist()}
    for page in pages[kind]:
        reason = reasons[page.url]
        guessed = "text" in kind and reason and reason.startswith("webtype.")  # which a text tells less of than a page
        assert reason is None or guessed, page.url


def test_nothing_else_comes_out(run: Path) -> None:
    """Would catch pages read twice, and files of other kinds read from a folder."""
    assert ds.dataset(run / "ledger").count_rows() == PAGES * len(KINDS)
