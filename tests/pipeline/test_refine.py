"""Line dedup and site rules as steps of a run: what is cut, why, what goes on to later runs, what redoes the step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from pipeline import earlier, life, refine
from pipeline.config import Config
from pipeline.documents import VERDICT, Documents
from pipeline.errors import UserError
from pipeline.run import Run, part_name, perform, step_key
from pipeline.schema import DOCUMENTS

SITE = "https://www.example.org"


def start(folder: Path, parts: list[list[tuple[str, str]]], **lines_and_sites: Any) -> Run:
    """A run of (URL, text) pages as stage 1 leaves it."""
    data = {"output": str(folder), "refine": lines_and_sites}
    run = Run(Config.model_validate(data))
    run.folder.write_bytes("run.yaml", yaml.safe_dump(run.config.model_dump(mode="json")).encode())
    run.folder.write_json(
        "parts.json", [{"path": f"{part}.jsonl", "start": 0, "end": None} for part in range(len(parts))]
    )
    for part, pages in enumerate(parts):
        name = f"{part_name(part)}.parquet"
        documents = [{"record_id": f"{part}-{row}", "url": url, "text": text} for row, (url, text) in enumerate(pages)]
        run.folder.write_table(f"documents/{name}", pa.Table.from_pylist(documents, DOCUMENTS))
        languages = pa.table({"language": ["en"] * len(pages), "facts": ["{}"] * len(pages)})
        run.folder.write_table(f"signals/prepare/{name}", languages)
        for step in ("language", "exact"):
            run.folder.write_table(f"verdicts/{step}/{name}", pa.Table.from_pylist([{}] * len(pages), VERDICT))
    return run


def dedup_lines(run: Run) -> Run:
    """Performs the step lines and writes its manifest."""
    key = step_key(refine.LINES, run.config, "")
    for phase in refine.LINES.phases:
        for index in phase.items(run):
            perform(run, refine.LINES, key, phase, index)
    files = [receipt["files"] for phase in refine.LINES.phases for receipt in run.receipts(refine.LINES, key, phase)]
    run.folder.write_json(earlier.MANIFEST, {"files_sha256": str(files)})
    return run


def edited(run: Run) -> list[str]:
    """All texts of a run after the step lines."""
    return [
        text for part in range(len(run.parts)) for _, texts in Documents(run, part, "rules").texts() for text in texts
    ]


def pages(number: int, line: str) -> list[tuple[str, str]]:
    return [(f"{SITE}/{row}", f"{line}\nbody of {line} {row}") for row in range(number)]


def test_a_later_run_keeps_what_earlier_runs_left(tmp_path: Path) -> None:
    """Would catch an allowance that starts anew with each crawl, and keys lost between numbers of partitions."""
    names = [f"menu {number}" for number in range(20)]
    first = dedup_lines(start(tmp_path / "1", [pages(3, name) for name in names], lines={"keep": 5}))
    some = [[page for name in half for page in pages(4, name)] for half in (names[:12], names[12:])]
    second = dedup_lines(start(tmp_path / "2", [*some, []], lines={"keep": 5, "against": [str(tmp_path / "1")]}))
    assert "".join(edited(first)).count("menu") == 2 * 60, "nothing is over the limit in the first run"
    kept = [text for text in edited(second) if text.startswith("menu")]
    assert len(kept) == 2 * len(names), "3 of 5 were seen before, so 2 of 4 stay"
    assert len(edited(second)) == 4 * len(names), "no document is lost"
    third = dedup_lines(
        start(tmp_path / "3", [pages(4, "menu 7")], lines={"keep": 9, "against": [str(tmp_path / "2")]})
    )
    assert sum(text.startswith("menu") for text in edited(third)) == 2, "3 + 4 of 9 were seen in the chain before"


def test_counts_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Would catch counts in hash order, or spread over the wrong partitions."""
    parts = [pages(3, "menu"), pages(2, "menu")]
    runs = [dedup_lines(start(tmp_path / name, parts)) for name in ("a", "b")]
    names = runs[0].folder.names(earlier.COUNTS)
    assert names == [f"{earlier.COUNTS}/part-00000.parquet", f"{earlier.COUNTS}/part-00001.parquet"]
    assert [runs[0].folder.read_bytes(name) for name in names] == [runs[1].folder.read_bytes(name) for name in names]
    tables = [runs[0].folder.read_table(name) for name in names]
    assert all(key % 2 == partition for partition, table in enumerate(tables) for key in table["key"].to_pylist())
    assert sorted(count for table in tables for count in table["count"].to_pylist()) == [1, 2, 2, 5]


def test_earlier_runs_are_checked_at_the_start(tmp_path: Path) -> None:
    """Would catch a crash deep in the run, and a crawl that counts twice."""
    one, two = str(tmp_path / "1"), str(tmp_path / "2")
    with pytest.raises(UserError, match="1 has no line counts"):
        earlier.runs(config_with(two, one))
    dedup_lines(start(tmp_path / "1", [pages(1, "menu")]))
    dedup_lines(start(tmp_path / "2", [pages(1, "menu")], lines={"against": [one]}))
    assert [run.config.output for run in earlier.runs(config_with("3", two))] == [two]
    for output, against in (("3", (one, two)), ("3", (one, one + "/")), (one, (two,)), (one, (one,))):
        with pytest.raises(UserError, match="1 would count 2 times"):
            earlier.runs(config_with(output, *against))


def config_with(output: str, *against: str) -> Config:
    return Config.model_validate({"output": output, "refine": {"lines": {"against": against}}})


def site_run(tmp_path: Path, **settings: Any) -> Run:
    """Pages of a site with rules, beside one of a site without."""
    (tmp_path / "sites").mkdir()
    content = "reason: shop furniture\ndrop_urls: [/cart]\nremove_lines: [Buy now, '/Page \\d+/']"
    (tmp_path / "sites" / "example.org.yaml").write_text(content)
    text = "Buy now\nReviews\nA good pan.\nPage 3\nIt lasts."
    parts = [[(f"{SITE}/pan", text), (f"{SITE}/cart", "Reviews\nBuy now")], [("https://other.org/", text)]]
    return dedup_lines(start(tmp_path / "run", parts, sites=[str(tmp_path / "sites")], **settings))


def test_site_rules_go_first_and_say_why(tmp_path: Path) -> None:
    """Would catch furniture that uses up the allowance of line dedup, and edits under the wrong reason."""
    run = site_run(tmp_path, lines={"keep": 1})
    text, cart, other = edited(run)
    assert text == "Reviews\nA good pan.\nIt lasts."
    assert cart == "Reviews\nBuy now", "a dropped page is no page with edits"
    assert other == "Buy now\nPage 3", "only what stood in pages that stay counts"
    reasons = {edit["text"]: edit["reason"] for edit in life._cut_lines(run, 0, 0)}
    assert set(reasons) == {"Buy now", "Page 3"}
    assert set(reasons.values()) == {"the rules of its site take it out: shop furniture"}
    repeated = {edit["text"]: edit["reason"] for edit in life._cut_lines(run, 1, 0)}
    assert repeated["Reviews"] == "this line heads or ends more than 1 documents"


def test_site_rules_drop_urls_before_all_other_rules(tmp_path: Path) -> None:
    """Would catch a dropped URL that is booked on a rule of the text, or on no step."""
    run = site_run(tmp_path)
    for part in range(2):
        refine.measure_rules(run, part)
    counts = refine.decide_rules(run, 0)
    verdicts = run.folder.read_table(f"verdicts/rules/{part_name(0)}.parquet").to_pylist()
    assert verdicts[1] == {"step": "rules", "reason": "site.url", "detail": "shop furniture"}
    assert verdicts[0]["reason"] != "site.url" and counts.dropped["site.url"] == 1
    refine.decide_rules(run, 1)
    assert run.folder.read_table(f"verdicts/rules/{part_name(1)}.parquet")["detail"].to_pylist() == [
        "gopher.words is 10, minimum 50"
    ]


def test_own_files_and_earlier_runs_redo_the_step(tmp_path: Path) -> None:
    """Would catch results of old rules that stay because only the rules' folder is in the key."""
    run = site_run(tmp_path)
    other = dedup_lines(start(tmp_path / "other", [pages(2, "menu")]))
    lines = run.config.refine.lines.model_copy(update={"against": (other.config.output,)})
    config = run.config.model_copy(update={"refine": run.config.refine.model_copy(update={"lines": lines})})

    def key() -> str:
        return step_key(refine.LINES, config, "")

    keys = [step_key(refine.LINES, run.config, ""), key()]
    (tmp_path / "sites" / "example.org.yaml").write_text("remove_lines: [Buy later]")
    keys.append(key())
    dedup_lines(start(tmp_path / "other", [pages(3, "menu")]))
    keys.append(key())
    assert len(set(keys)) == 4 and key() == key()


def test_bundled_site_rules_are_in_the_defaults(tmp_path: Path) -> None:
    """Would catch rules of crawlmix's own that only apply where a user adds some."""
    page = ("https://en.wikipedia.org/wiki/Otter", "Otter\n[edit]\nOtters swim.")
    assert edited(dedup_lines(start(tmp_path, [[page]]))) == ["Otter\nOtters swim."]
