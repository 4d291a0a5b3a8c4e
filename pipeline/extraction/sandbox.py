"""A child process that reads pages and may fail: it is killed and replaced when one takes too long or crashes it.

``Sandbox("package.module:function", settings)`` calls ``function(*arguments, **settings)`` of strings in the child and
returns its string. The two speak length-prefixed frames over the child's standard input and output. The child dies
with its parent: the kernel kills it (Linux) and the closed pipe ends it elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pipeline.extraction import Removed, Source

_LENGTH = struct.Struct("<I")
_DONE, _FAILED = b"+", b"!"
_START_SECONDS = 120.0  # to import the function's module on a busy machine
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


class Timeout(Exception):
    """The child did not answer in time and was killed."""


class Crash(Exception):
    """The child died, ran out of memory or raised; says how."""


class Sandbox:
    """One child process, started at the first call; safe to share between threads, and after a fork."""

    def __init__(self, function: str, settings: dict[str, object], timeout_s: float, memory_bytes: int) -> None:
        """``memory_bytes``: address space the child may take beyond what it has once its module is imported."""
        self._command = [sys.executable, "-P", "-m", __name__, function, json.dumps(settings), str(memory_bytes)]
        self._timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def __call__(self, *arguments: str) -> str:
        """The function's result for these arguments. Raises Timeout or Crash; the next call has a new child."""
        frames = [argument.encode("utf-8", "replace") for argument in arguments]
        request = _LENGTH.pack(len(frames)) + b"".join(_LENGTH.pack(len(frame)) + frame for frame in frames)
        with self._lock:
            child = self._ready_child()
            try:
                child.stdin.write(request)  # type: ignore[union-attr]
                child.stdin.flush()  # type: ignore[union-attr]
                status, answer = self._answer(child, self._timeout_s)
            except (EOFError, BrokenPipeError):
                raise Crash(_how_it_died(self._stop(grace_s=1.0))) from None
            except Timeout:
                self._stop()
                raise
            if status == _FAILED:
                self._stop()
                raise Crash(answer.decode("utf-8", "replace"))
            return answer.decode("utf-8")

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _ready_child(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._owner == os.getpid() and self._child.poll() is None:
            return self._child
        self._child = None
        paths = [_PACKAGE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        child = subprocess.Popen(
            [*self._command, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._child, self._owner = child, os.getpid()
        try:
            self._answer(child, _START_SECONDS)
        except (EOFError, Timeout):
            raise RuntimeError(f"cannot start {' '.join(self._command)}: {_how_it_died(self._stop())}") from None
        return child

    def _answer(self, child: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + timeout_s
        head = _read_by(child.stdout, 1 + _LENGTH.size, deadline)  # type: ignore[arg-type]
        (length,) = _LENGTH.unpack(head[1:])
        return head[:1], _read_by(child.stdout, length, deadline)  # type: ignore[arg-type]

    def _stop(self, grace_s: float = 0.0) -> int:
        """Ends the child, at once or after some time to end by itself; returns its exit status (negative: signal)."""
        child, self._child = self._child, None
        if child is None or self._owner != os.getpid():
            return 0
        try:
            status = child.wait(grace_s)
        except subprocess.TimeoutExpired:
            child.kill()
            status = child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
        return status


class SandboxedBackend:
    """An extraction backend in a sandbox; it does not tell what it left out."""

    def __init__(self, main_text: Sandbox) -> None:
        self._main_text = main_text

    def __call__(self, page: Source) -> tuple[str, Callable[[], Removed]]:
        return self._main_text(page.html.decode(), page.url), Removed

    def close(self) -> None:
        self._main_text.close()


def _read_by(pipe: BinaryIO, count: int, deadline: float) -> bytes:
    """Exactly ``count`` bytes, read before ``deadline``. Raises Timeout, or EOFError where the pipe ends first."""
    parts = []
    readable = select.poll()
    readable.register(pipe, select.POLLIN)
    while count:
        if not readable.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise Timeout
        part = os.read(pipe.fileno(), min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _how_it_died(status: int) -> str:
    if status < 0:
        return f"killed by signal {signal.Signals(-status).name}"
    return f"the process ended with status {status}"


def main() -> None:
    """The child: imports the function, says that it is ready, then answers one request after another."""
    target, settings, memory_bytes, parent = sys.argv[1:]
    _die_with(int(parent))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not pass for an answer
    module, _, name = target.partition(":")
    function: Callable[..., str] = getattr(importlib.import_module(module), name)
    keywords = json.loads(settings)
    _limit_memory(int(memory_bytes))
    _send(answers, _DONE, b"")
    while arguments := _receive(requests):
        try:
            answer = function(*arguments, **keywords).encode("utf-8", "replace")
        except BaseException as error:  # MemoryError and RecursionError of a hostile page included
            _send(answers, _FAILED, f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:500])
            return
        _send(answers, _DONE, answer)


def _receive(requests: BinaryIO) -> list[str]:
    """The arguments of the next request, none at the end of the pipe."""
    head = requests.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return []
    arguments = []
    for _ in range(_LENGTH.unpack(head)[0]):
        (length,) = _LENGTH.unpack(requests.read(_LENGTH.size))
        arguments.append(requests.read(length).decode("utf-8"))
    return arguments


def _send(answers: BinaryIO, status: bytes, answer: bytes) -> None:
    answers.write(status + _LENGTH.pack(len(answer)) + answer)
    answers.flush()


def _die_with(parent: int) -> None:
    """Asks the kernel to kill this process when its parent dies, however it dies (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call above
            sys.exit(0)


def _limit_memory(extra: int) -> None:
    """Allows ``extra`` bytes of address space beyond what is mapped now (Linux; elsewhere there is no limit)."""
    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + extra
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


if __name__ == "__main__":
    main()
