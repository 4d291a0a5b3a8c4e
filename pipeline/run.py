"""A run: the folder, the parts, and the steps that fill it.

A step's key is the hash of its code, its settings and the key of the step before it. A phase of a step writes a receipt
for every item below ``steps/<step>/<key>/``; what has a receipt is not done again, so resuming is running again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.reading import Part
from pipeline.storage import Folder

SOURCES = Path(__file__).resolve().parent.parent
MAX_PARTITIONS = 512

Report = Callable[["Counts"], None]


@dataclass
class Counts:
    """What a phase did to its item; adds up over items."""

    records: int = 0  # came in
    kept: int = 0  # went on
    dropped: Counter[str] = field(default_factory=Counter)  # reason → records
    seconds: dict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # part of the step → seconds of one core
    extra: Counter[str] = field(default_factory=Counter)  # what else the step counts, such as tokens

    def add(self, other: Counts) -> None:
        self.records += other.records
        self.kept += other.kept
        self.dropped.update(other.dropped)
        self.extra.update(other.extra)
        for what, took in other.seconds.items():
            self.seconds[what] += took

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - start

    @classmethod
    def of(cls, data: dict[str, Any]) -> Counts:
        seconds = defaultdict(float, data["seconds"])
        return cls(data["records"], data["kept"], Counter(data["dropped"]), seconds, Counter(data["extra"]))


class Run:
    """A run as every task sees it: config, folder, parts. ``report`` is told what a long item has done so far."""

    def __init__(self, config: Config, report: Report | None = None) -> None:
        self.config = config
        self.folder = Folder(config.output)
        self.report = report

    @cached_property
    def parts(self) -> list[Part]:
        return [Part(**part) for part in self.folder.read_json("parts.json")]

    @property
    def partitions(self) -> int:
        """Partitions of an exchange: enough that one of them fits into memory."""
        return min(MAX_PARTITIONS, len(self.parts))

    def receipts(self, step: Step, key: str, phase: Phase) -> Iterator[dict[str, Any]]:
        for name in self.folder.names(f"steps/{step.name}/{key}", ".json"):
            if name.rsplit("/", 1)[1].startswith(f"{phase.name}-"):
                yield self.folder.read_json(name)


@dataclass(frozen=True)
class Phase:
    """A function over the items of a step. Items are numbers: of parts, of partitions, of categories, or just 0."""

    name: str
    function: Callable[[Run, int], Counts]
    items: Callable[[Run], Sequence[int]]
    lost: Callable[[Run, int], Counts] | None = None  # what to do with an item that killed its worker three times


@dataclass(frozen=True)
class Step:
    stage: str
    name: str
    phases: tuple[Phase, ...]
    settings: tuple[str, ...]  # dotted paths of the config that its results depend on
    code: tuple[str, ...]  # files and folders of the source that its results depend on
    outputs: tuple[str, ...] = ()  # folders and files that it owns: cleared when it starts anew
    scratch: tuple[str, ...] = ()  # folders that nobody needs once it has ended
    depends_on: Callable[[Config], list[str]] | None = None  # hashes of what else: the user's own files, other runs


def over_parts(run: Run) -> range:
    return range(len(run.parts))


def over_partitions(run: Run) -> range:
    return range(run.partitions)


def once(run: Run) -> range:
    return range(1)


def part_name(index: int) -> str:
    return f"part-{index:05d}"


def step_key(step: Step, config: Config, before: str) -> str:
    """16 hex characters; changes with the step's code, models, settings, what it depends on and all before it."""
    digest = hashlib.sha256(before.encode())
    for path in step.settings:
        digest.update(f"{path}={json.dumps(config.setting(path), sort_keys=True)}\n".encode())
    for name in step.code:
        source = SOURCES / name
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.suffix in {".py", ".yaml", ".txt", ".npz", ".ftz", ".npy", ".json"}:
                digest.update(f"{file.relative_to(SOURCES).as_posix()} {file_sha256(file)}\n".encode())
    for other in step.depends_on(config) if step.depends_on else ():
        digest.update(f"{other}\n".encode())
    return digest.hexdigest()[:16]


def file_sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def perform(run: Run, step: Step, key: str, phase: Phase, index: int, lost: bool = False) -> Counts:
    """Does one item and writes its receipt."""
    run.folder.written.clear()
    function = phase.lost if lost and phase.lost else phase.function
    start = time.perf_counter()
    counts = function(run, index)
    counts.seconds[step.name] += time.perf_counter() - start - sum(counts.seconds.values())
    receipt = {"files": dict(sorted(run.folder.written.items())), "counts": vars(counts)}
    run.folder.write_json(receipt_name(step, key, phase, index), receipt)
    return counts


def receipt_name(step: Step, key: str, phase: Phase, index: int) -> str:
    return f"steps/{step.name}/{key}/{phase.name}-{index:05d}.json"


def open_run(path: str) -> Run:
    """The run in a folder. Raises UserError where there is none."""
    folder = Folder(path)
    folder.check_readable()
    if not folder.exists("run.yaml"):
        raise UserError(f"{path} holds no run: there is no run.yaml; give the folder that crawlmix run wrote")
    config = Config.model_validate(yaml.safe_load(folder.read_bytes("run.yaml")))
    return Run(config.model_copy(update={"output": path}))


def start_run(config: Config, parts: list[Part]) -> Run:
    """The run's folder with its config and parts.

    Raises UserError where the folder cannot be written or holds a run of other inputs.
    """
    run = Run(config)
    run.folder.check_writable()
    listed = [asdict(part) for part in parts]
    if run.folder.exists("parts.json") and run.folder.read_json("parts.json") != listed:
        raise UserError(f"{config.output} holds a run of other inputs: give another --output, or remove that folder")
    resolved = config.model_dump(mode="json", exclude={"workers"})
    run.folder.write_bytes("run.yaml", yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True).encode())
    run.folder.write_json("parts.json", listed)
    return run
