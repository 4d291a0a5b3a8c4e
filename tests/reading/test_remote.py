"""Reading through fsspec from where crawls lie: object storage and memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import fsspec
import pytest

from pipeline.errors import UserError
from pipeline.reading import Part, inputs, read, split

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>%d</p>"


def crawl_file() -> bytes:
    head = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/%d\r\nContent-Length: %d\r\n\r\n"
    blocks = [PAGE % n for n in range(40)]
    return b"".join(gzip.compress(head % (n, len(block)) + block + b"\r\n\r\n") for n, block in enumerate(blocks))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    fsspec.filesystem("s3").mkdir("reading")
    yield "s3://reading"  # a name of its own: moto keeps its buckets for the whole process
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def assert_reads_back(folder: str) -> None:
    with fsspec.open(f"{folder}/deep/a.warc.gz", "wb") as file:
        file.write(crawl_file())
    for pattern in (folder, f"{folder}/deep/*.gz", f"{folder}/deep/a.warc.gz"):
        (path,) = inputs([pattern])
        parts = split(path, 2000)
        assert len(parts) > 2
        assert [r.body for part in parts for r in read(part)] == [b"<p>%d</p>" % n for n in range(40)]


def test_s3(bucket: str) -> None:
    """Catches paths that lose their protocol, and ranges that object storage cannot give."""
    assert_reads_back(bucket)


def test_memory() -> None:
    """Catches code that takes every path for a local one."""
    assert_reads_back("memory://crawl")


def test_what_is_missing_is_told(tmp_path) -> None:
    """Catches a traceback, or an empty run, for a mistyped input."""
    (tmp_path / "notes.txt").touch()
    for pattern in (
        f"{tmp_path}/none.warc.gz",
        f"{tmp_path}/*.warc.gz",
        str(tmp_path),
        f"{tmp_path}/notes.txt",
        "nosuch://x/y",
    ):
        with pytest.raises(UserError):
            inputs([pattern])
    with pytest.raises(UserError):
        list(read(Part(f"{tmp_path}/none.warc.gz")))
    with pytest.raises(UserError):
        split(f"{tmp_path}/notes.txt", 100)
