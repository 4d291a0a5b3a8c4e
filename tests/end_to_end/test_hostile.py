"""The hostile crawl: the run ends well, every sound page is read, every other element has a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from pipeline.config import load_config
from pipeline.steps import Watcher, perform_run, plan_run


def test_hostile_crawl_loses_no_sound_page(shared: Path, engine: Any, tmp_path: Path) -> None:
    """Would catch a crash, a hang, an uncounted record, and a sound page lost beside a broken one."""
    output = tmp_path / "run"
    config = load_config(None, {"input": [str(shared / "crawl/hostile.warc.gz")], "output": str(output)})
    perform_run(plan_run(config), engine, Watcher())
    ledger = ds.dataset(output / "ledger").to_table().to_pylist()
    assert all(row["reason"] for row in ledger if row["verdict"] != "kept")
    texts = ds.dataset(output / "documents").to_table(columns=["url", "text"]).to_pylist()
    by_url = {row["url"]: row["text"] for row in texts}
    for number in range(1, 29):
        assert f"GOODTEXT-{number:02d}" in by_url[f"https://good.example/{number:02d}.html"]
    everything = "\n".join(row["text"] for row in texts)
    for mark in ("TWIN-1", "TWIN-2", "SAMEID-1", "SAMEID-2", "H2", "LF", "CODING", "CHUNK", "ATTR"):
        assert f"GOODTEXT-{mark}" in everything
    assert "\0" not in everything
    assert "secret" not in " ".join(row["url"] for row in ledger)
