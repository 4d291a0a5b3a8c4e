"""A run whose input and output lie on S3 (a server on loopback): real command, real workers, real requests."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.cli import main
from pipeline.reading import Part, read
from pipeline.storage import Folder

Digests = Callable[[Path], dict[str, str]]
RUN = "s3://results/deep/run"
MEMBERS = 60  # of a crawl file: 20 pages


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    """An S3 server, with two buckets, that this process and all it starts take for Amazon's."""
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        for bucket in ("crawl", "results"):
            s3fs.S3FileSystem().mkdir(bucket)
        yield
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(scope="module")
def s3_run(s3: None, demo_crawl: Path) -> str:
    """A finished run on S3, of the first records of the demo crawl."""
    file = demo_crawl / "demo-00000.warc.gz"
    end = [record.offset for record in read(Part(str(file)))][MEMBERS]
    Folder("s3://crawl").write_bytes("segments/1/a.warc.gz", file.read_bytes()[:end])
    run_command(RUN)
    return RUN


def run_command(output: str) -> None:
    """``crawlmix run`` in a process, and thus a Ray, of its own: workers have the environment that Ray started in."""
    options = ["--input", "s3://crawl/segments/*/*.warc.gz", "--output", output, "--workers", "2"]
    command = [sys.executable, "-m", "jobs.cli", "run", *options, "--set", "balance.tokens.vocabulary=512"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bytes_are_those_of_a_run_on_a_disk(s3_run: str, digests: Digests, tmp_path: Path) -> None:
    """Would catch workers without credentials, stale listings, and results that depend on where they are stored."""
    run_command(str(tmp_path))
    expected = digests(tmp_path)
    folder = Folder(s3_run)
    names = {name for path in expected for name in folder.names(path.split("/")[0])}
    assert {name: hashlib.sha256(folder.read_bytes(name)).hexdigest() for name in names} == expected


def test_commands_read_the_run(s3_run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a command that takes the run's folder for a local one."""
    assert main(["status", s3_run, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["adds_up"] and status["records"] == MEMBERS and status["kept"] > 5
    assert main(["mix", "show", s3_run, "--json"]) == 0
    assert sum(row["documents"] for row in json.loads(capsys.readouterr().out)) == status["kept"]
    url = Folder(s3_run).read_table("documents/part-00000.parquet")["url"][0].as_py()
    assert main(["explain", s3_run, url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["file"] == "s3://crawl/segments/1/a.warc.gz"
    assert main(["report", s3_run]) == 0
    assert f"{s3_run}/report.html" in capsys.readouterr().out
    assert Folder(s3_run).read_bytes("report.html").startswith(b"<!doctype html>")


def test_the_trainer_reads_the_shards(s3_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a trainer that wants the shards on a disk."""
    pytest.importorskip("torch", reason="torch is not installed")
    options = ["--preset", "debug", "--steps", "2", "--device", "cpu", "--output", str(tmp_path / "model")]
    assert main(["train", s3_run, *options]) == 0
    assert (tmp_path / "model/releases/step-00000002/model.safetensors").exists()
