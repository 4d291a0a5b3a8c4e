"""Steps: what runs again after a change, what the failure budget stops, a ledger that nobody bends in silence."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from jobs.cli import main
from pipeline import run as run_module
from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.run import Counts, Step, step_key
from pipeline.steps import STEPS, Watcher, perform_run, plan_run

NAMES = [step.name for step in STEPS]
ARTICLES = sorted((run_module.SOURCES / "examples/demo_crawl/articles/en").glob("*.md"))[:16]


class Recorder(Watcher):
    """Notes the steps that were performed."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def end(self, step: Step, counts: Counts, fresh: bool) -> None:
        if fresh:
            self.done.append(step.name)


def keys(*settings: str) -> dict[str, str]:
    """The key of every step, of the same inputs."""
    config, before, found = load_config(None, None, list(settings)), "inputs", {}
    for step in STEPS:
        found[step.name] = before = step_key(step, config, before)
    return found


def first_difference(one: dict[str, str], other: dict[str, str]) -> str | None:
    """The first step with another key; all after it have to differ too."""
    changed = [name for name in NAMES if one[name] != other[name]]
    assert changed == NAMES[len(NAMES) - len(changed) :]
    return changed[0] if changed else None


@pytest.mark.parametrize(
    ("setting", "step"),
    [
        ("prepare.url.allow=[example.org]", "documents"),
        ("prepare.extraction.comments=true", "documents"),
        ("prepare.language.confidence=0.5", "documents"),
        ("refine.lines.keep=3", "lines"),
        ("refine.thresholds.en={gopher.too_few_words: 10}", "rules"),
        ("refine.pii=off", "rules"),
        ("refine.near.bands=64", "near"),
        ("balance.models.quality=0.3", "models"),
        ("balance.semantic.similarity=0.9", "semantic"),
        ("seed=1", "semantic"),
        ("balance.tokens.vocabulary=512", "tokenizer"),
        ("balance.shard_megabytes=64", "shards"),
        ("balance.mix=natural", "mix"),
        ("workers=3", None),
        ("failure_budget.share=0.5", None),
    ],
)
def test_a_setting_runs_again_what_depends_on_it(setting: str, step: str | None) -> None:
    """Would catch old results kept under a new setting, and hours of work done again for nothing."""
    assert first_difference(keys(), keys(setting)) == step


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[str]:
    """The dotted paths of all settings."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, (*path, name))
        else:
            yield ".".join((*path, name))


def test_every_setting_is_in_a_key() -> None:
    """Would catch a new setting whose change runs nothing again."""
    free = {"input", "output", "workers", "part_megabytes", "failure_budget.share", "failure_budget.records"}
    by_content = {"refine.sites", "refine.lines.against"}  # see lines_depend_on
    in_keys = [setting for step in STEPS for setting in step.settings]
    for leaf in set(leaves(Config)) - free - by_content:
        assert any(leaf == setting or leaf.startswith(f"{setting}.") for setting in in_keys), leaf


def test_code_runs_again_what_depends_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch results of old code that are taken for those of the new."""
    for folder in ("pipeline", "rules", "classifiers"):
        shutil.copytree(run_module.SOURCES / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(run_module, "SOURCES", tmp_path)
    for name, step in {
        "pipeline/ledger.py": "ledger",
        "pipeline/mix/plan.py": "mix",
        "pipeline/tokens.py": "tokenizer",
        "pipeline/dedup/semantic.py": "semantic",
        "pipeline/dedup/near.py": "near",
        "pipeline/dedup/lines.py": "lines",
        "pipeline/documents.py": "exact",
        "pipeline/reading/warc.py": "documents",
    }.items():
        before = keys()
        with (tmp_path / name).open("a") as file:
            file.write("# changed\n")
        assert first_difference(before, keys()) == step, name


def text_of(number: int) -> str:
    """The text of an article, without its head."""
    return ARTICLES[number].read_text(encoding="utf-8").split("---\n", 2)[2].strip()


@pytest.fixture
def finished(engine: Any, tmp_path: Path) -> Config:
    """A run of a few texts, and the config that it ended with."""
    (tmp_path / "pages.jsonl").write_text(
        "\n".join(json.dumps({"url": f"https://example.org/{n}", "text": text_of(n)}) for n in range(12))
    )
    overrides = {"input": [str(tmp_path / "pages.jsonl")], "output": str(tmp_path / "run")}
    config = load_config(None, overrides, ["balance.tokens.vocabulary=300"])
    perform_run(plan_run(config), engine, Watcher())
    return config


def again(config: Config, engine: Any) -> list[str]:
    """Performs the run once more; returns the steps that had to be."""
    recorder = Recorder()
    perform_run(plan_run(config), engine, recorder)
    return recorder.done


def test_lost_results_are_made_again(finished: Config, engine: Any) -> None:
    """Would catch a run that ends well while its shards are gone, and one that does all again for them."""
    output = Path(finished.output)
    assert again(finished, engine) == []
    before = (output / "mix.json").read_bytes()
    shutil.rmtree(output / "shards")
    assert again(finished, engine) == NAMES[NAMES.index("shards") :]
    assert (output / "shards/manifest.json").exists() and (output / "mix.json").read_bytes() == before
    (output / "verdicts/near/part-00000.parquet").unlink()
    assert again(finished, engine) == NAMES[NAMES.index("near") :]


def test_a_run_that_is_changed_and_stopped_is_unfinished(
    finished: Config, engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch ledger, mix and shards of the earlier config shown beside the new config's documents."""
    changed = load_config(None, finished.model_dump(mode="json") | {"refine": {"pii": "off"}})

    class Stop(Watcher):
        def end(self, step: Step, counts: Counts, fresh: bool) -> None:
            if step.name == "near":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform_run(plan_run(changed), engine, Stop())
    assert main(["status", changed.output]) == 1
    assert "not finished" in capsys.readouterr().out
    assert not any((Path(changed.output) / name).exists() for name in ("ledger", "mix.json", "shards"))
    assert again(changed, engine) == NAMES[NAMES.index("near") + 1 :]


def broken_crawl(file: Path, sound: int, broken: int) -> None:
    """Gzip members of pages, the last ones of which fail their checksums."""
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><body><article><p>%s</article></body></html>"
    written = []
    for number in range(sound + broken):
        block = page % text_of(number).replace("\n\n", "<p>").encode()
        head = f"WARC-Type: response\r\nWARC-Target-URI: https://example.org/{number}\r\n"
        record = f"WARC/1.0\r\n{head}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"
        member = bytearray(gzip.compress(record, mtime=0))
        if number >= sound:
            member[-8] ^= 255
        written.append(bytes(member))
    file.write_bytes(b"".join(written))


def test_failure_budget_stops_the_run_and_lets_it_go_on(engine: Any, tmp_path: Path) -> None:
    """Would catch a crawl that is half garbage and passes, and work that is lost when the budget is raised."""
    broken_crawl(tmp_path / "a.warc.gz", sound=10, broken=3)
    overrides = {"input": [str(tmp_path / "a.warc.gz")], "output": str(tmp_path / "run")}
    settings = ["balance.tokens.vocabulary=300", "failure_budget={share: 0.01, records: 2}"]
    with pytest.raises(UserError, match=r"^3 of 13 records could not be read, more than .* raise failure_budget"):
        perform_run(plan_run(load_config(None, overrides, settings)), engine, Watcher())
    raised = load_config(None, overrides, [*settings, "failure_budget.share=0.3"])
    assert again(raised, engine) == NAMES[1:]


def test_a_crawl_without_a_document_to_keep_says_so(
    engine: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a traceback, or a silent success, where every page was dropped; the funnel tells why they were."""
    (tmp_path / "pages.jsonl").write_text(json.dumps({"url": "https://example.org/", "text": "Too short."}))
    assert main(["run", "--input", str(tmp_path), "--output", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr()
    assert "nothing to read" in printed.err and printed.err.count("\n") == 1
    assert main(["status", str(tmp_path / "run")]) == 0
    assert "1 records = 0 kept + 1 dropped" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["a row is gone", "a file is gone", "a verdict is turned", "a reason is gone"])
def test_a_bent_ledger_is_told(change: str, demo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a status that reads whatever the ledger says."""
    run = tmp_path / "run"
    shutil.copytree(demo_run, run)
    file = run / "ledger/part-00001.parquet"
    table = pq.read_table(file)
    kept = table["verdict"].to_pylist().index("kept")
    dropped = table["verdict"].to_pylist().index("dropped")
    columns = {name: table[name].to_pylist() for name in table.column_names}
    if change == "a verdict is turned":
        columns["verdict"][kept], columns["reason"][kept] = "dropped", "gopher.too_few_words"
    elif change == "a reason is gone":
        columns["reason"][dropped] = None
    pq.write_table(pa.table(columns, schema=table.schema).slice(int(change == "a row is gone")), file)
    if change == "a file is gone":
        file.unlink()
    assert main(["status", str(run)]) == 1
    assert "THE LEDGER DOES NOT ADD UP" in capsys.readouterr().err
    assert main(["status", str(run), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["adds_up"] is False
