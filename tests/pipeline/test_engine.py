"""fan_out on real Ray: results, retries of lost workers, errors, and one worker without deadlock."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from pipeline.config import Config
from pipeline.engine import ItemLost
from pipeline.errors import UserError
from pipeline.run import Counts, Phase, Run, Step

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test module


def count(run: Run, index: int) -> Counts:
    run.folder.write_bytes(f"out/{index}", str(index).encode())
    return Counts(records=index)


def die_once(run: Run, index: int) -> Counts:
    if not run.folder.exists(f"tried-{index}"):
        run.folder.write_bytes(f"tried-{index}", b"")
        os.kill(os.getpid(), 9)
    return Counts(records=1)


def die(run: Run, index: int) -> Counts:
    os.kill(os.getpid(), 9)
    return Counts()


def give_up(run: Run, index: int) -> Counts:
    counts = Counts(records=1)
    counts.dropped["part.crashed"] = 1
    return counts


def refuse(run: Run, index: int) -> Counts:
    raise UserError("the file x is no good: mend it")


def fan_out(engine: Any, folder: Path, phase: Phase) -> Counts:
    run = Run(Config(output=str(folder)))
    step = Step("prepare", "test", (phase,), (), ())
    total: Counts = engine.fan_out(run, step, "key", phase, phase.items(run), lambda progress: None)
    return total


def test_all_items_are_done_and_leave_receipts(engine: Any, tmp_path: Path) -> None:
    """Would catch an item lost at the end of the queue, and one that is done twice."""
    total = fan_out(engine, tmp_path, Phase("count", count, lambda run: range(20)))
    assert total.records == sum(range(20))
    assert len(list((tmp_path / "out").iterdir())) == 20
    assert len(list((tmp_path / "steps/test/key").iterdir())) == 20


def test_killed_worker_costs_its_item_only(engine: Any, tmp_path: Path) -> None:
    """Would catch a run that fails, or counts wrongly, when a worker is killed (SIGKILL) in the middle."""
    assert fan_out(engine, tmp_path, Phase("die", die_once, lambda run: range(3))).records == 3


def test_item_that_always_kills_its_worker_is_quarantined(engine: Any, tmp_path: Path) -> None:
    """Would catch endless retries of a poisonous part."""
    total = fan_out(engine, tmp_path, Phase("die", die, lambda run: range(1), lost=give_up))
    assert total.dropped == {"part.crashed": 1}


def test_item_that_cannot_be_quarantined_ends_the_run(engine: Any, tmp_path: Path) -> None:
    """Would catch documents lost silently where a later step keeps crashing."""
    with pytest.raises(ItemLost, match="died 3 times"):
        fan_out(engine, tmp_path, Phase("die", die, lambda run: range(1)))


def test_user_errors_come_through_as_they_are(engine: Any, tmp_path: Path) -> None:
    """Would catch a Ray traceback where one sentence is meant."""
    with pytest.raises(UserError, match=r"^the file x is no good: mend it$"):
        fan_out(engine, tmp_path, Phase("refuse", refuse, lambda run: range(2)))
