"""fan_out: one function over many items on Ray, with retries, progress and a clean stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayTaskError, TaskCancelledError

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.run import Counts, Phase, Run, Step, perform

ATTEMPTS = 3  # an item that loses its worker this often is given up
REPORT_SECONDS = 1.0
CONNECT_SECONDS = 10.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1") | {
    "TOKENIZERS_PARALLELISM": "false"
}


class ItemLost(UserError):
    """An item killed its worker too often."""


@dataclass
class Progress:
    """What the display is told: items done of all, and the counts of done and running items."""

    done: int
    items: int
    counts: Counts


class Board:
    """Where running items write how far they are. Holds one entry a running item."""

    def __init__(self) -> None:
        self.running: dict[int, Counts] = {}

    def write(self, index: int, counts: Counts) -> None:
        self.running[index] = counts

    def remove(self, index: int) -> None:
        self.running.pop(index, None)

    def read(self) -> list[Counts]:
        return list(self.running.values())


@dataclass(frozen=True)
class Engine:
    """A Ray cluster with ``workers`` processes at work."""

    workers: int
    board: Any

    def fan_out(
        self,
        run: Run,
        step: Step,
        key: str,
        phase: Phase,
        items: Sequence[int],
        on_progress: Callable[[Progress], None],
    ) -> Counts:
        """Performs ``phase`` on all ``items``, as many at a time as there are workers.

        An exception inside an item ends the run (UserError as it is); a lost worker costs its item one attempt.
        """
        total, done = Counts(), 0
        queue, attempts = list(reversed(items)), dict.fromkeys(items, 0)
        running: dict[Any, int] = {}
        try:
            while queue or running:
                while queue and len(running) < self.workers:
                    index = queue.pop()
                    lost = attempts[index] >= ATTEMPTS
                    running[_item.remote(run.config, step, key, phase, index, lost, self.board)] = index
                ready, _ = ray.wait(list(running), num_returns=1, timeout=0.5)
                for reference in ready:
                    index = running.pop(reference)
                    counts = _result(reference)
                    self.board.remove.remote(index)
                    if counts is None:
                        attempts[index] += 1
                        _check_attempts(attempts[index], step, phase, index)
                        queue.append(index)
                    else:
                        done += 1
                        total.add(counts)
                so_far = Counts()
                for counts in [total, *ray.get(self.board.read.remote())]:
                    so_far.add(counts)
                on_progress(Progress(done, len(items), so_far))
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
        return total


@contextmanager
def cluster(address: str | None, workers: int | None) -> Iterator[Engine]:
    """Joins the Ray cluster at ``address``, or starts a quiet one here with ``workers`` processes (all cores)."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.update(ONE_THREAD)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    mine = not ray.is_initialized()
    if mine:
        try:
            if address:
                _check_reachable(address)
                ray.init(address=address, runtime_env={"env_vars": ONE_THREAD}, **quiet)
            else:
                cores = workers or len(os.sched_getaffinity(0))
                ray.init(num_cpus=cores, include_dashboard=False, object_store_memory=256 * 1024**2, **quiet)
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(f"cannot reach Ray at {address or 'this machine'}: {error}") from None
    # The board may stand on a node that is lost: it starts again elsewhere, and its writers fill it again.
    board: Any = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Board).remote()
    try:
        with _on_signals(signal.default_int_handler, signal.SIGTERM):  # it stops a run as Ctrl-C does
            yield Engine(workers or max(1, int(ray.cluster_resources().get("CPU", 1))), board)
    finally:
        with _on_signals(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):  # a second one would leave processes behind
            ray.kill(board)
            if mine:
                ray.shutdown()


@contextmanager
def _on_signals(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _check_reachable(address: str) -> None:
    """Raises OSError where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


@ray.remote(num_cpus=1, max_retries=0)
def _item(config: Config, step: Step, key: str, phase: Phase, index: int, lost: bool, board: Any) -> Counts:
    last = time.monotonic()

    def report(counts: Counts) -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            board.write.remote(index, counts)

    return perform(Run(config, report), step, key, phase, index, lost)


def _result(reference: Any) -> Counts | None:
    """The item's counts, or None where its worker or node was lost; its own exception is raised."""
    try:
        counts: Counts = ray.get(reference)
        return counts
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, UserError) else error from None
    except TaskCancelledError:
        raise
    except ray.exceptions.RayError:
        return None


def _check_attempts(attempts: int, step: Step, phase: Phase, index: int) -> None:
    if attempts > ATTEMPTS or (attempts == ATTEMPTS and phase.lost is None):
        raise ItemLost(
            f"{step.name}, {phase.name} {index}: its worker died {attempts} times (out of memory?); what is done is "
            "kept: give the machine more memory or fewer workers, and run the same command again"
        )
