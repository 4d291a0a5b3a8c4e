"""crawlmix sites: the ranking of a run's kept text."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pyarrow as pa
import pytest

from jobs import sites
from pipeline.config import Config
from pipeline.documents import VERDICT, VERDICTS
from pipeline.errors import UserError
from pipeline.run import Run, part_name
from pipeline.schema import DOCUMENTS

EVIL = "Menu \x1b[31m [red]"


def options(run: Path, top: int = 20, lines: int = 5, as_json: bool = False) -> argparse.Namespace:
    return argparse.Namespace(run=str(run), top=top, lines=lines, json=as_json)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """Two parts as a run leaves them: a large site, a small one, a page that a rule dropped, and cut lines."""
    run = Run(Config(output=str(tmp_path)))
    run.folder.write_bytes("run.yaml", b"{}")
    run.folder.write_json("parts.json", [{"path": "a.jsonl", "start": 0, "end": None}] * 2)
    text = f"Cut\n{EVIL}\n" + "x" * 100
    part = [("http://big.org/1", text), ("http://big.org/2", text), ("http://dropped.org/", text), ("", f"Cut\n{EVIL}")]
    for index in range(2):
        name = f"{part_name(index)}.parquet"
        documents = [{"record_id": "", "url": url, "text": text} for url, text in part]
        run.folder.write_table(f"documents/{name}", pa.Table.from_pylist(documents, DOCUMENTS))
        run.folder.write_table(f"edits/lines/{name}", pa.table({"lines": pa.array([[0]] * 4, pa.list_(pa.int32()))}))
        run.folder.write_table(f"ledger/{name}", pa.table({"url": [""]}))
        for step in VERDICTS:
            rows = [{"reason": "gopher.x"} if step == "rules" and "dropped" in url else {} for url, _ in part]
            run.folder.write_table(f"verdicts/{step}/{name}", pa.Table.from_pylist(rows, VERDICT))
    return tmp_path


def test_kept_and_edited_text_is_ranked(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch dropped pages and cut lines in the ranking, and parts that are not added up."""
    assert sites.run(options(finished, as_json=True)) == 0
    ranked = json.loads(capsys.readouterr().out)
    assert [(site["site"], site["documents"], site["characters"]) for site in ranked] == [
        ("big.org", 4, 4 * (len(EVIL) + 101)),
        ("", 2, 2 * len(EVIL)),
    ]
    assert {"line": EVIL, "documents": 4} in ranked[0]["lines"]
    assert "Cut" not in json.dumps(ranked)
    assert ranked[-1]["share_so_far"] == pytest.approx(1)


def test_table_is_safe_to_look_at(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch lines of a page that steer the terminal or are taken for markup, and a missing way on."""
    assert sites.run(options(finished, top=2, lines=1)) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "big.org" in out and "(no URL)" in out
    assert "refine.sites" in out and "remove_lines" in out


def test_unfit_calls_are_one_sentence(finished: Path) -> None:
    """Would catch a traceback where the run has not ended or a number makes no sense."""
    with pytest.raises(UserError, match="--top"):
        sites.run(options(finished, top=0))
    Run(Config(output=str(finished))).folder.remove("ledger")
    with pytest.raises(UserError, match="no ledger"):
        sites.run(options(finished))
