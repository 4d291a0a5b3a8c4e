"""The development crawl against its index: every fetch is found, with the right status and verdict."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

from pipeline.reading import Part, read

CRAWL = Path(__file__).parents[3] / "shared" / "crawl"
pytestmark = pytest.mark.skipif(not (CRAWL / "dev-index.tsv.gz").exists(), reason="the development crawl is not here")


def test_one_file_agrees_with_the_index() -> None:
    """Catches fetches that are lost, statuses that are misread and pages that are passed over."""
    name = "dev-00005.warc.gz"  # WARC/1.1
    with gzip.open(CRAWL / "dev-index.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        index = {(row["url"], row["kind"] == "revisit"): row for row in rows if row["file"] == name}
    seen: Counter[str] = Counter()
    for record in read(Part(str(CRAWL / name))):
        assert not record.quarantined
        if not record.url:
            continue
        row = index[record.url, record.reason == "record_type.revisit"]
        seen[row["kind"]] += 1
        if row["kind"] in ("page", "cut", "huge", "duplicate", "near-duplicate", "soft-404"):
            assert record.reason is None, record.url
            assert len(record.body) == min(int(row["bytes"]), 1 << 20) or row["kind"] == "huge"
        else:
            assert record.reason
        if row["kind"] != "revisit":
            assert record.status == int(row["status"])
    assert seen == Counter(row["kind"] for row in index.values())
