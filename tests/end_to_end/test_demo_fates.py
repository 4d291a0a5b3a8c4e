"""Every special page of the demo crawl meets the fate that special.yaml foretells."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples/demo_crawl"))

from fetches import load_special, special_fetch
from pages import load_articles, load_sites

SITES, ARTICLES, SPECIAL = load_sites(), load_articles(), load_special()
ALIKE = {"exact_duplicate", "near_duplicate", "semantic_duplicate"}
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def rows(demo_run: Path) -> Rows:
    """The ledger's rows of responses and revisits, by URL; what could not be read has none."""
    found: Rows = defaultdict(list)
    for row in ds.dataset(demo_run / "ledger").to_table().to_pylist():
        if row["reason"] not in ("record_type.request", "record_type.metadata", "record_type.warcinfo"):
            found[row["url"]].append(row)
    return found


@pytest.mark.parametrize("entry", SPECIAL, ids=lambda entry: entry["name"])
def test_fate(entry: dict[str, Any], rows: Rows) -> None:
    """Would catch a rule, a model or a reader that stopped doing what it is for, and one that became too strict."""
    outcomes = rows[special_fetch(entry, SITES, ARTICLES).url]
    reasons = {row["reason"] for row in outcomes}
    if entry["fate"] == "kept":
        assert reasons == {None}
    elif entry["fate"] == "passed over":
        assert any(reason and reason.startswith(("http.", "record_type.")) for reason in reasons)
    elif entry["fate"] == "one of a pair":
        other = next(other for other in SPECIAL if other["name"] == entry["pair"])
        both = reasons | {row["reason"] for row in rows[special_fetch(other, SITES, ARTICLES).url]}
        assert None in both and len(both) == 2 and both <= {None, *ALIKE}
    elif entry["fate"] == "quarantined":
        assert all(row["verdict"] == "quarantined" for row in outcomes)
    else:
        assert all(row["verdict"] == "dropped" for row in outcomes) or beats_its_original(entry, rows)


def beats_its_original(entry: dict[str, Any], rows: Rows) -> bool:
    """Whether the page was kept because the one that it copies was dropped as its copy."""
    original = entry.get("copy_of") or entry.get("mirror_of") or entry.get("rewrite_of")
    article = next((article for article in ARTICLES if article.slug == original), None)
    if article is None:
        return False
    return all(row["reason"] in ALIKE for row in rows[SITES[article.site].url(article.slug, article.date)])
