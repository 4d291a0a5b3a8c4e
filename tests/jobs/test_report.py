"""The report page: it shows the run's numbers, and a hostile page's text stays text."""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import lxml.html
import pyarrow as pa
import pytest

import rules
from jobs import report
from pipeline.config import Config
from pipeline.documents import VERDICT, VERDICTS
from pipeline.errors import UserError
from pipeline.ledger import write_ledger
from pipeline.prepare import PREPARE_SIGNALS
from pipeline.refine import SITE_EDITS
from pipeline.report import REPEATED, Sites, excerpt, likeliest, site, summarise
from pipeline.run import Run, open_run
from pipeline.schema import DOCUMENTS, RECORDS, record_id

EVIL = """</script><script>alert(1)</script>"><img src=x onerror="alert(2)">'<!-- \u202e\u2028 {{data}}"""
MARKUP = '"><img onerror=alert(3)>'  # of a host
BODY = "\n".join(
    ["Home Articles Contact", f"The tide {EVIL} turned at noon.", "Write to jo.smith@mail-host.org about it."]
)
TEXTS = [BODY + "\n" + "The quick brown fox jumps over the lazy dog of the house. " * number for number in range(1, 6)]
DROPPED = 4  # row of a document that a rule drops
PART = "part-00000.parquet"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("report") / "run")


def write_run(folder: Path) -> Path:
    """A run's folder as the steps leave it: five documents, one of them dropped, and two records that gave none."""
    run = Run(Config(output=str(folder), input=("crawl.warc.gz",)))
    run.folder.write_bytes("run.yaml", json.dumps({"input": ["crawl.warc.gz"]}).encode())
    run.folder.write_json("parts.json", [{"path": "crawl.warc.gz", "start": 0, "end": None}])
    ids = [record_id("crawl.warc.gz", offset) for offset in range(7)]
    fates = [{"step": "language", "document": row} for row in range(5)] + [
        {"step": "read", "reason": "http.status"},
        {"step": "read", "reason": "gzip.bad_member", "quarantined": True},
    ]
    common = {"file": "crawl.warc.gz", "length": 1, "url": "", "quarantined": False}
    records = [common | {"record_id": ids[offset], "offset": offset} | fate for offset, fate in enumerate(fates)]
    urls = [f"https://www.site-{row % 2}.example{MARKUP}/{EVIL}" for row in range(5)]
    documents = [{"record_id": ids[row], "url": urls[row], "title": EVIL, "text": TEXTS[row]} for row in range(5)]
    prepared = {"language": "en", "removed": json.dumps([[EVIL, "clutter 0.07", 1]])}
    quality = pa.array([0.1, 0.5, 0.6, 0.7, 0.8], pa.float32())
    tables = {
        "records": pa.Table.from_pylist(records, RECORDS),
        "documents": pa.Table.from_pylist(documents, DOCUMENTS),
        "edits/lines": pa.table({"lines": pa.array([[0, 2]] * 5, pa.list_(pa.int32()))}),
        "edits/sites": pa.Table.from_pylist([{"lines": [2], "reason": EVIL}] * 5, SITE_EDITS),
        "signals/prepare": pa.Table.from_pylist([prepared] * 5, PREPARE_SIGNALS),
        "signals/rules": rules.measure(TEXTS, ["en"] * 5).append_column("quality", quality),
        "signals/models": pa.table({"category": ["astronomy", "astronomy", "astronomy", "astronomy", "chemistry"]}),
        "signals/tokens": pa.table({"tokens": pa.array([40, 50, 600, 70, None], pa.int32())}),
    }
    for name in VERDICTS:
        rows: list[dict[str, str]] = [{} for _ in TEXTS]
        if name == "rules":
            rows[DROPPED] = {"step": "rules", "reason": "gopher.few_stop_words"}
        tables[f"verdicts/{name}"] = pa.Table.from_pylist(rows, VERDICT)
    for name, table in tables.items():
        run.folder.write_table(f"{name}/{PART}", table)
    write_ledger(run, 0)
    run.folder.write_json("mix.json", mix())
    return folder


def mix() -> dict[str, Any]:
    shares = {"share_before": 1.0, "target_share": 0.8125, "share_after": 1.0, "repeats": 2.5, "shortfall": 0.1875}
    category = {"category": "astronomy", "group": "physical_sciences", "kind": "knowledge"}
    counts = {"documents": 4, "unique_tokens": 760}
    totals = {"version": 1, "name": "balanced", "seed": 0, "tokens_before": 760, "tokens_after": 1900.0}
    return totals | {"categories": [category | counts | shares], "languages": [{"language": "en", **counts, **shares}]}


def test_summary_agrees_with_the_run(finished: Path) -> None:
    """Would catch dropped documents counted as kept, and columns of one part that slip against each other."""
    summary = summarise(open_run(str(finished)))
    assert summary["headline"] == {
        "records": 7, "documents": 5, "kept": 4, "dropped": 2, "quarantined": 1, "tokens": 760
    }  # fmt: skip
    assert dict(zip([0, *summary["lengths"]["edges"]], summary["lengths"]["documents"], strict=True))[32] == 2
    assert sum(summary["lengths"]["documents"]) == 4
    assert sum(summary["quality"]["measured"]) == 5 and sum(summary["quality"]["kept"]) == 4
    assert summary["lines"] == {"repeated": 4, "by_site": 4}
    assert summary["sites"] == [
        {"site": f"site-0.example{MARKUP}", "documents": 2, "tokens": 640},
        {"site": f"site-1.example{MARKUP}", "documents": 2, "tokens": 120},
    ]
    reasons = {row["step"]: row["reasons"] for row in summary["steps"]}
    assert reasons["rules"] == [("gopher.few_stop_words", 1)]
    assert reasons["read"] == [("gzip.bad_member", 1), ("http.status", 1)]


def test_samples_are_the_smallest_ids_with_their_edits(finished: Path) -> None:
    """Would catch samples that change from run to run, lost edits, and personal data that the shards mask."""
    samples = summarise(open_run(str(finished)))["samples"]
    kept = sorted(record_id("crawl.warc.gz", offset) for offset in range(4))
    assert list(samples) == ["astronomy"]
    assert [sample["record_id"] for sample in samples["astronomy"]] == kept[:3]
    sample = samples["astronomy"][0]
    assert sample["lines"][0] == (0, "Home Articles Contact", REPEATED)
    assert [why for _, _, why in sample["lines"]] == [REPEATED, None, f"site rules: {EVIL}", None]
    assert sample["removed"] == [[EVIL, "clutter 0.07"]] and sample["removed_count"] == 1
    assert "jo.smith" not in json.dumps(samples)


def test_hostile_text_stays_data(finished: Path) -> None:
    """Would catch page text that ends the data block, adds an element, or is taken for a placeholder."""
    summary = summarise(open_run(str(finished)))
    page = lxml.html.document_fromstring(report.render(summary | {"name": EVIL}))
    data, script = page.xpath("//script")
    assert json.loads(data.text) == json.loads(json.dumps(summary | {"name": EVIL}))
    assert not page.xpath("//img") and page.findtext(".//title").startswith(EVIL[:40])
    assert not page.xpath("//@src | //link | //iframe") and not any(name[:2] == "on" for name in attributes(page))
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "http:", "https:"):
        assert forbidden not in script.text.replace("http://www.w3.org/2000/svg", "")


def attributes(page: Any) -> set[str]:
    return {name for element in page.iter() for name in element.attrib}


def test_report_is_written_where_asked_and_always_the_same(finished: Path, tmp_path: Path) -> None:
    """Would catch a page that holds the time of day, and a run's folder that changes when --output is given."""
    pages = [tmp_path / "one.html", tmp_path / "two.html"]
    for page in pages:
        assert report.run(argparse.Namespace(run=str(finished), output=str(page))) == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert not (finished / "report.html").exists()
    run = shutil.copytree(finished, tmp_path / "run")
    assert report.run(argparse.Namespace(run=str(run), output=None)) == 0
    assert (run / "report.html").read_bytes() == pages[0].read_bytes()
    with pytest.raises(UserError, match="cannot write the report"):
        report.run(argparse.Namespace(run=str(finished), output=str(tmp_path / "absent" / "page.html")))


def test_unfinished_run_is_refused(tmp_path: Path) -> None:
    """Would catch a traceback, or an empty page, where the run has not ended."""
    (tmp_path / "run.yaml").write_text("{}")
    with pytest.raises(UserError, match="no ledger and mix"):
        report.run(argparse.Namespace(run=str(tmp_path), output=None))


def test_site_of_any_url() -> None:
    """Would catch a URL that no parser takes ending the report."""
    assert site("https://WWW.Example.org:8080/a?b") == "example.org"
    assert site("http://[bad/") == site("") == site("no url") == "(none)"


def test_sites_stay_bounded_and_say_so() -> None:
    """Would catch memory that grows with the number of sites, and a cut that forgets the largest."""
    sites = Sites(limit=10)
    for number in range(100):
        sites.add(f"https://site-{number}.example/", 1)
        sites.add("https://large.example/", 5)
    assert len(sites.tokens) <= 10 and not sites.complete
    assert sites.top(1) == [("large.example", 500)] and sites.documents["large.example"] == 100


def test_excerpt_ends_after_its_characters() -> None:
    """Would catch an excerpt that grows with the length of a line, and line numbers that shift."""
    lines = ["abc", "", "defgh", "ij"]
    assert excerpt(lines, {2: "why"}, limit=5) == [(0, "abc", None), (1, "", None), (2, "de…", "why")]
    assert excerpt(["x" * 1_000_000], {}, limit=400) == [(0, "x" * 400 + "…", None)]


def test_excerpt_shows_lines_taken_out_at_the_end() -> None:
    """Would catch footers that line dedup took out being left out because a text is long, and many of them shown."""
    lines = [f"line {number}" for number in range(1000)]
    shown = excerpt(lines, {0: "head", 998: "tail", 999: "tail"}, limit=10)
    assert shown == [(0, "line 0", "head"), (1, "line…", None), (998, "line 998", "tail"), (999, "line 999", "tail")]
    assert len(excerpt(lines, dict.fromkeys(range(1000), "site"), limit=10)) < 20


def test_likeliest_blocks_keep_the_order_of_the_page() -> None:
    """Would catch a sample that shows menus alone, where the blocks that were nearly kept are of interest."""
    removed = [
        ("menu", "clutter 0.00", 0),
        ("by", "clutter 0.14", 1),
        ("share", "clutter 0.02", 9),
        ("all", "clutter 1.00", 9),
    ]
    assert likeliest(removed, 2) == [removed[1], removed[3]]
    assert likeliest(removed[:1], 2) == removed[:1]


def test_rule_alone_is_counted_once(finished: Path) -> None:
    """Would catch a document that fails two rules being booked on both."""
    run = open_run(str(finished))
    thresholds = rules.load_thresholds(run.config.refine.thresholds)
    failed = rules.failures(
        run.folder.read_table(f"signals/rules/{PART}"), pa.array(["en"] * 5), thresholds
    ).to_pylist()
    alone = Counter(name for row in failed if sum(row.values()) == 1 for name, fails in row.items() if fails)
    assert summarise(run)["alone"] == dict(sorted(alone.items()))
