"""The functions below run in the child, which imports this file by its name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.extraction.sandbox import Crash, Sandbox, Timeout

HERE = Path(__file__)
ROOT = HERE.parents[2]


def behave(what: str, value: str, factor: int) -> str:
    if what == "hang":
        time.sleep(60)
    if what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        os._exit(3)
    if what == "raise":
        raise ValueError(f"no {value}")
    if what == "memory":
        return "x" * 10_000_000_000
    if what == "print":
        print("noise on standard output")
    if what == "pid":
        return str(os.getpid())
    return value * factor


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setenv("PYTHONPATH", str(HERE.parent))
    made = Sandbox(f"{HERE.stem}:behave", {"factor": 2}, timeout_s=1.0, memory_bytes=500_000_000)
    yield made
    made.close()


def test_answers_come_back_whole_and_in_one_process(sandbox: Sandbox) -> None:
    long = "汉字\n\0 " * 300_000
    assert sandbox("repeat", long) == long * 2
    assert sandbox("repeat", "") == ""
    assert sandbox("pid", "") == sandbox("pid", "")


@pytest.mark.parametrize(
    ("what", "says"),
    [("segfault", "SIGSEGV"), ("exit", "status 3"), ("raise", "ValueError: no luck"), ("memory", "MemoryError")],
)
def test_a_page_that_kills_the_child_costs_only_itself(sandbox: Sandbox, what: str, says: str) -> None:
    with pytest.raises(Crash, match=says):
        sandbox(what, "luck")
    assert sandbox("repeat", "ab") == "abab"


def test_a_page_that_hangs_is_killed_and_the_next_goes_on(sandbox: Sandbox) -> None:
    first = int(sandbox("pid", ""))
    with pytest.raises(Timeout):
        sandbox("hang", "")
    assert not Path(f"/proc/{first}").exists()
    assert sandbox("repeat", "ab") == "abab"


def test_a_child_that_died_between_two_pages_is_replaced(sandbox: Sandbox) -> None:
    os.kill(int(sandbox("pid", "")), signal.SIGKILL)
    time.sleep(0.1)
    assert sandbox("repeat", "ab") == "abab"


def test_what_a_library_prints_is_no_answer(sandbox: Sandbox) -> None:
    assert sandbox("print", "ab") == "abab"


def test_a_function_that_cannot_be_imported_is_said_at_once() -> None:
    with pytest.raises(RuntimeError, match="cannot start"):
        Sandbox("no.such.module:function", {}, 1.0, 10**9)("x")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel kills the child on Linux only")
def test_the_child_dies_with_a_parent_that_is_killed() -> None:
    """Would catch orphans at full CPU after a worker is lost in the middle of a page."""
    code = f"""
import threading
from pipeline.extraction.sandbox import Sandbox
sandbox = Sandbox("{HERE.stem}:behave", {{"factor": 1}}, 60.0, 10**9)
print(sandbox("pid", ""), flush=True)
sandbox("hang", "")
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE.parent)])}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    assert parent.stdout is not None
    child = Path("/proc") / parent.stdout.readline().strip()
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while child.exists() and "\nState:\tZ" not in (child / "status").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or "\nState:\tZ" in (child / "status").read_text()
