"""The whole run: all steps in order, each done once."""

from __future__ import annotations

import hashlib
import json
import time
from functools import partial

from classifiers.embedding import embed
from pipeline import balance, earlier, ledger, prepare, refine, tokens
from pipeline.config import Config
from pipeline.engine import Engine, Progress
from pipeline.errors import UserError
from pipeline.mix.spec import load_spec
from pipeline.reading import Part, inputs, split
from pipeline.run import Counts, Phase, Run, Step, receipt_name, start_run, step_key
from pipeline.storage import Folder
from rules import load_thresholds

STEPS: tuple[Step, ...] = (*prepare.STEPS, *refine.STEPS, *balance.STEPS, ledger.LEDGER_STEP)


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


def perform_run(run: Run, engine: Engine, watcher: Watcher) -> None:
    """Performs every step that is not done already. Raises UserError where the failure budget is spent."""
    before = _input_key(run)
    for number, step in enumerate(STEPS, 1):
        key = step_key(step, run.config, before)
        watcher.start(step, number, len(STEPS))
        counts = finished(run, step, key)
        fresh = counts is None
        if counts is None:
            counts = _perform_step(run, step, key, engine, watcher)
        watcher.end(step, counts, fresh)
        if step is prepare.DOCUMENTS_STEP:
            check_failure_budget(run)
        before = key


def finished(run: Run, step: Step, key: str) -> Counts | None:
    """The counts of a step that ended under this key."""
    name = f"steps/{step.name}.json"
    if not run.folder.exists(name):
        return None
    manifest = run.folder.read_json(name)
    return Counts.of(manifest["counts"]) if manifest["key"] == key else None


def _perform_step(run: Run, step: Step, key: str, engine: Engine, watcher: Watcher) -> Counts:
    start, total, digest = time.monotonic(), Counts(), hashlib.sha256()
    run.folder.remove(f"steps/{step.name}.json")
    if not run.folder.names(f"steps/{step.name}/{key}"):
        for name in (f"steps/{step.name}", *step.outputs, *step.scratch):
            run.folder.remove(name)
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
