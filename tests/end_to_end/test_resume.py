"""A run that was killed and started again gives the bytes of a run that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Digests = Callable[[Path], dict[str, str]]
COMMAND = [sys.executable, "-m", "jobs.cli", "run"]


def start(crawl: Path, output: Path, settings: list[str]) -> subprocess.Popen[bytes]:
    options = [option for setting in settings for option in ("--set", setting)]
    command = [*COMMAND, "--input", f"{crawl}/*.warc.gz", "--output", str(output), "--workers", "2", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Waits until the run has written ``path``."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, f"the run ended early: {process.communicate()[0].decode()}"
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.02)


def test_driver_killed_at_three_moments(
    demo_run: Path, demo_crawl: Path, demo_settings: list[str], tmp_path: Path, digests: Digests
) -> None:
    """Would catch a half-done step that is taken for done, stale exchange files, and torn files (SIGKILL)."""
    output = tmp_path / "run"
    for landmark in ("documents", "steps/lines.json", "tokenizer.json"):
        process = start(demo_crawl, output, demo_settings)
        wait_for(output / landmark, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = start(demo_crawl, output, demo_settings)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed.decode()
    assert digests(output) == digests(demo_run)


def test_ctrl_c_stops_in_one_sentence_and_goes_on(
    demo_run: Path, demo_crawl: Path, demo_settings: list[str], tmp_path: Path, digests: Digests
) -> None:
    """Would catch a traceback on Ctrl-C and a run that cannot be gone on with."""
    output = tmp_path / "run"
    process = start(demo_crawl, output, demo_settings)
    wait_for(output / "steps/documents.json", process)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"goes on where it left off" in printed
    assert b"Traceback" not in printed
    process = start(demo_crawl, output, demo_settings)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed.decode()
    assert digests(output) == digests(demo_run)


def ray_workers(driver: int) -> list[int]:
    """Process ids of the Ray workers that perform items of the run with this driver."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::_item") and driver in _ancestors(int(folder.name)):
            found.append(int(folder.name))
    return found


def _ancestors(process: int) -> set[int]:
    chain: set[int] = set()
    while process > 1 and process not in chain:
        chain.add(process)
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
    return chain


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds Ray's workers through /proc")
def test_killed_ray_worker_changes_nothing(
    demo_run: Path, demo_crawl: Path, demo_settings: list[str], tmp_path: Path, digests: Digests
) -> None:
    """Would catch a part lost, or counted twice, with its worker (SIGKILL)."""
    output = tmp_path / "run"
    process = start(demo_crawl, output, demo_settings)
    deadline, killed = time.monotonic() + 120, []
    while len(killed) < 2 and process.poll() is None and time.monotonic() < deadline:
        for worker in ray_workers(process.pid)[:1]:
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)
            time.sleep(1)
        time.sleep(0.01)
    printed, _ = process.communicate()
    assert killed, "no worker was seen at work"
    assert process.returncode == 0, printed.decode()
    assert digests(output) == digests(demo_run)
