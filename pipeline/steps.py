"""The whole run: all steps in order, each done once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from functools import partial

from classifiers import backends
from classifiers.embedding import embed
from classifiers.tasks import TASKS
from pipeline import balance, earlier, ledger, prepare, refine, tokens
from pipeline.config import Config
from pipeline.engine import Engine, Progress
from pipeline.errors import UserError
from pipeline.mix.spec import load_spec
from pipeline.reading import Part, inputs, split
from pipeline.run import Counts, Phase, Run, Step, receipt_name, start_run, step_key
from pipeline.storage import Folder
from rules import load_thresholds

# The ledger goes before the mix, so that it tells what became of all records even where none is left to mix.
STEPS: tuple[Step, ...] = (*prepare.STEPS, *refine.STEPS, *balance.STEPS, ledger.LEDGER_STEP, balance.MIX)


class Watcher:
    """Is told how the run goes; this one keeps it to itself."""

    def start(self, step: Step, number: int, steps: int) -> None:
        """A step begins: number ``number`` of ``steps``."""

    def progress(self, phase: Phase, progress: Progress) -> None:
        """Twice a second, and after every item."""

    def end(self, step: Step, counts: Counts, fresh: bool) -> None:
        """A step has ended; not ``fresh``: it was done before."""


def plan_run(config: Config) -> Run:
    """Finds the inputs, cuts them into parts and opens the run's folder.

    Raises UserError where there is no input, an input cannot be read, or the output cannot be written.
    """
    _check_settings(config)
    if not config.input:
        raise UserError("no input: name crawl files with --input, or under input: in the config")
    parts: list[Part] = []
    for path in inputs(list(config.input)):
        parts += split(path, config.part_megabytes * 1_000_000)
    return start_run(config, parts)


def _check_settings(config: Config) -> None:
    """Refuses what only the later steps would stumble over. Raises UserError."""
    load_thresholds(config.refine.thresholds)
    refine.site_rules(config.refine.sites)
    earlier.runs(config)
    load_spec(config.balance.mix)
    prepare.url_rules(config.prepare.url)
    prepare.page_extractor(config.prepare.extraction).close()
    if config.balance.tokens.tokenizer:
        tokens.load(config.balance.tokens.tokenizer)
    if config.balance.semantic.embedder != "hashing":
        embed([""], config.balance.semantic.embedder)
    for task in TASKS:
        backends.check(task, config.setting(f"balance.models.{task}_model"))


def perform_run(run: Run, engine: Engine, watcher: Watcher) -> None:
    """Performs every step that is not done already. Raises UserError where the failure budget is spent."""
    before = _input_key(run)
    for number, step in enumerate(STEPS, 1):
        key = step_key(step, run.config, before)
        watcher.start(step, number, len(STEPS))
        counts = finished(run, step, key)
        fresh = counts is None
        if counts is None:
            if not _begun(run, step, key):
                _clear(run, STEPS[number - 1 :])
            counts = _perform_step(run, step, key, engine, watcher)
        watcher.end(step, counts, fresh)
        if step is prepare.DOCUMENTS_STEP:
            check_failure_budget(run)
        before = key


def finished(run: Run, step: Step, key: str) -> Counts | None:
    """The counts of a step that ended under this key and whose files are all there."""
    name = f"steps/{step.name}.json"
    if not run.folder.exists(name):
        return None
    manifest = run.folder.read_json(name)
    if manifest["key"] != key or manifest["files"] != _files(run, step):
        return None
    return Counts.of(manifest["counts"])


def _files(run: Run, step: Step) -> int:
    return sum(len(run.folder.names(output)) for output in step.outputs)


def _begun(run: Run, step: Step, key: str) -> bool:
    """Whether the step was stopped under this key, so that it goes on after what has a receipt."""
    ended = run.folder.exists(f"steps/{step.name}.json")
    return not ended and bool(run.folder.names(f"steps/{step.name}/{key}"))


def _clear(run: Run, steps: Sequence[Step]) -> None:
    """Removes what these steps left: nobody shall take it for a result of the config that now runs."""
    for step in steps:
        for name in (f"steps/{step.name}.json", f"steps/{step.name}", *step.outputs, *step.scratch):
            run.folder.remove(name)


def _perform_step(run: Run, step: Step, key: str, engine: Engine, watcher: Watcher) -> Counts:
    start, total, digest = time.monotonic(), Counts(), hashlib.sha256()
    for phase in step.phases:
        done = set(run.folder.names(f"steps/{step.name}/{key}", ".json"))
        items = [index for index in phase.items(run) if receipt_name(step, key, phase, index) not in done]
        engine.fan_out(run, step, key, phase, items, partial(watcher.progress, phase))
        for receipt in run.receipts(step, key, phase):
            counts = Counts.of(receipt["counts"])
            if phase is not step.phases[-1]:
                counts = Counts(seconds=counts.seconds, extra=counts.extra)
            total.add(counts)
            digest.update(json.dumps(receipt["files"], sort_keys=True).encode())
    manifest = {
        "stage": step.stage,
        "step": step.name,
        "key": key,
        "wall_seconds": round(time.monotonic() - start, 3),
        "counts": vars(total),
        "files": _files(run, step),
        "files_sha256": digest.hexdigest(),
    }
    run.folder.write_json(f"steps/{step.name}.json", manifest)
    for name in step.scratch:
        run.folder.remove(name)
    return total


def check_failure_budget(run: Run) -> None:
    """Raises UserError where more records are quarantined than the config allows."""
    records = quarantined = 0
    for name in run.folder.names("records", ".parquet"):
        column = run.folder.read_table(name, ["quarantined"])["quarantined"]
        records += len(column)
        quarantined += sum(column.to_pylist())
    budget = run.config.failure_budget
    if quarantined > max(budget.records, budget.share * records):
        raise UserError(
            f"{quarantined:,} of {records:,} records could not be read, more than the failure budget of "
            f"{budget.share:.1%} and {budget.records} records: crawlmix status {run.config.output} tells the reasons; "
            "mend the input, or raise failure_budget.share"
        )


def _input_key(run: Run) -> str:
    """Changes with the parts and with size or time of any input file."""
    digest = hashlib.sha256(run.folder.read_bytes("parts.json"))
    for path in sorted({part.path for part in run.parts}):
        source = Folder(path)
        info = source.fs.info(source.root)
        digest.update(f"{path} {info.get('size')} {info.get('ETag') or info.get('mtime')}\n".encode())
    return digest.hexdigest()
