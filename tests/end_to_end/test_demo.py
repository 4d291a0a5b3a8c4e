"""The main job on the demo crawl: the funnel adds up, every record can be explained, the bytes are always the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from classifiers.taxonomy import load_taxonomy
from jobs.cli import main
from pipeline.config import load_config
from pipeline.mix.shards import verify
from pipeline.reading import split
from pipeline.run import Counts, Step, start_run
from pipeline.steps import STEPS, Watcher, perform_run, plan_run
from pipeline.storage import Folder

Digests = Callable[[Path], dict[str, str]]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def test_status_adds_up(demo_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a record that is neither kept nor dropped nor quarantined, and names that programs rely on."""
    status = shown(capsys, "status", str(demo_run), "--json")
    assert status["adds_up"]
    assert status["records"] == status["kept"] + sum(status["dropped"].values()) + status["quarantined"]
    assert status["kept"] >= 100
    assert status["quarantined"] >= 2
    assert {"stage", "step", "records_in", "records_out", "seconds"} <= set(status["steps"][0])


def test_demo_shows_the_funnel_at_work(demo_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a step that lets everything pass."""
    reasons = set(shown(capsys, "status", str(demo_run), "--json")["dropped"])
    families = {reason.split(".")[0] for reason in reasons}
    assert {"record_type", "http", "url", "extract", "language", "gopher", "repetition", "category"} <= families
    assert {"exact_duplicate", "near_duplicate", "semantic_duplicate"} <= families


def test_line_dedup_cuts_the_publishers_line(demo_run: Path) -> None:
    """Would catch line dedup that finds nothing."""
    lines = ds.dataset(demo_run / "edits/lines").to_table()["lines"].to_pylist()
    assert sum(bool(cut) for cut in lines) >= 5


def test_explain_tells_a_kept_and_a_dropped_life(demo_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch explain showing another record's signals, and missing names that programs rely on."""
    ledger = ds.dataset(demo_run / "ledger").to_table().to_pylist()
    kept = next(row for row in ledger if row["verdict"] == "kept")
    dropped = next(row for row in ledger if row["reason"] == "near_duplicate")
    names = {"record_id", "url", "file", "offset", "last_step", "extracted", "verdict", "reason", "signals", "edits"}
    for row, verdict in ((kept, "kept"), (dropped, "dropped")):
        lives = shown(capsys, "explain", str(demo_run), row["record_id"], "--json")
        assert len(lives) == 1
        assert names | {"category"} <= set(lives[0])
        assert (lives[0]["url"], lives[0]["verdict"], lives[0]["offset"]) == (row["url"], verdict, row["offset"])
    life = shown(capsys, "explain", str(demo_run), kept["url"], "--json")[0]
    assert life["category"] in load_taxonomy().leaves
    assert life["signals"]["gopher.words"] > 0
    assert life["signals"]["tokens"] == kept["tokens"]


def test_every_kind_of_record_prints_for_people(demo_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a traceback on records that stopped at an early step."""
    rows = ds.dataset(demo_run / "ledger").to_table().to_pylist()
    one_of_each = {row["reason"]: row["record_id"] for row in rows}
    for record in one_of_each.values():
        assert main(["explain", str(demo_run), record]) == 0
        assert record in capsys.readouterr().out


def test_shards_hold_what_the_ledger_says(demo_run: Path) -> None:
    """Would catch documents lost or doubled on the way to the shards, and token counts that do not agree."""
    verify(Folder(str(demo_run)))
    ledger = ds.dataset(demo_run / "ledger").to_table()
    kept = {row["record_id"]: row["tokens"] for row in ledger.to_pylist() if row["verdict"] == "kept"}
    shards = ds.dataset(demo_run / "shards", partitioning="hive", exclude_invalid_files=True).to_table()
    assert {row["record_id"]: row["tokens"] for row in shards.to_pylist()} == kept
    assert all(len(row["token_ids"]) == row["tokens"] for row in shards.to_pylist())
    assert set(shards["category"].to_pylist()) <= set(load_taxonomy().leaves)


def test_mix_shares_mean_tokens(demo_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch shares of documents sold as shares of tokens."""
    rows = shown(capsys, "mix", "show", str(demo_run), "--json")
    shards = ds.dataset(demo_run / "shards", partitioning="hive", exclude_invalid_files=True)
    tokens = shards.to_table(columns=["tokens", "category"]).group_by("category").aggregate([("tokens", "sum")])
    by_category = dict(zip(tokens["category"].to_pylist(), tokens["tokens_sum"].to_pylist(), strict=True))
    assert {row["category"]: row["unique_tokens"] for row in rows if row["unique_tokens"]} == by_category
    assert sum(row["share_before"] for row in rows) == pytest.approx(1)
    assert sum(row["share_after"] for row in rows) == pytest.approx(1)


def test_one_worker_gives_the_same_bytes(
    demo_run: Path, demo_crawl: Path, demo_settings: list[str], engine: Any, tmp_path: Path, digests: Digests
) -> None:
    """Would catch output that depends on the number of workers or on the order in which tasks end."""
    config = load_config(None, {"input": [f"{demo_crawl}/*.warc.gz"], "output": str(tmp_path / "run")}, demo_settings)
    perform_run(plan_run(config), replace(engine, workers=1), Watcher())
    assert digests(tmp_path / "run") == digests(demo_run)


def test_smaller_parts_keep_the_same_documents(
    demo_run: Path, demo_crawl: Path, demo_settings: list[str], engine: Any, tmp_path: Path
) -> None:
    """Would catch records lost or doubled where a file is cut into parts, and dedup that depends on the cut."""
    config = load_config(None, {"output": str(tmp_path / "run")}, demo_settings)
    parts = [part for file in sorted(demo_crawl.glob("*.warc.gz")) for part in split(str(file), 60_000)]
    assert len(parts) > 2
    perform_run(start_run(config, parts), engine, Watcher())

    def verdicts(run: Path) -> list[tuple[Any, ...]]:
        rows = ds.dataset(run / "ledger").to_table().to_pylist()
        return sorted((row["record_id"], row["step"], row["reason"]) for row in rows)

    assert verdicts(tmp_path / "run") == verdicts(demo_run)


def test_changed_threshold_runs_only_what_depends_on_it(
    demo_run: Path, demo_crawl: Path, demo_settings: list[str], engine: Any, tmp_path: Path, digests: Digests
) -> None:
    """Would catch work done again that nothing asked for, and results of an earlier config left in the run."""
    copy = tmp_path / "run"
    shutil.copytree(demo_run, copy)
    config = load_config(
        None,
        {"input": [f"{demo_crawl}/*.warc.gz"], "output": str(copy)},
        [*demo_settings, "balance.mix=natural"],
    )

    done: list[str] = []

    class Recorder(Watcher):
        def end(self, step: Step, counts: Counts, fresh: bool) -> None:
            if fresh:
                done.append(step.name)

    perform_run(plan_run(config), engine, Recorder())
    assert done == [step.name for step in STEPS[[step.name for step in STEPS].index("mix") :]]
    assert json.loads((copy / "mix.json").read_text())["name"] == "natural"
    assert digests(copy)["ledger/part-00000.parquet"] == digests(demo_run)["ledger/part-00000.parquet"]


def test_shards_open_in_plain_pyarrow(demo_run: Path) -> None:
    """Would catch a shard that only crawlmix can read."""
    file = next((demo_run / "shards").glob("category=*/part-00000.parquet"))
    names = pq.read_schema(file).names
    assert {"record_id", "url", "language", "quality", "text", "tokens", "token_ids"} <= set(names)
