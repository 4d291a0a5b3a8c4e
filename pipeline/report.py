"""What a run's report page shows, gathered part by part: memory grows with categories and sites, not with documents."""

from __future__ import annotations

import json
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import rules
from pipeline.balance import final_text
from pipeline.documents import Documents
from pipeline.ledger import funnel
from pipeline.run import Run, part_name

SAMPLES = 3  # documents shown of a category
SAMPLE_CHARACTERS = 400
REMOVED_BLOCKS = 8  # clutter shown below a sample
CUT_LINES = 8  # that are shown of those after a sample's first characters
BLOCK_CHARACTERS = 120
NAME_CHARACTERS = 200  # of a URL, a title, an input
INPUTS_SHOWN = 8
SITES_SHOWN = 40
SITES_COUNTED = 200_000
REPEATED = "repeated line"  # why line dedup takes one out
LENGTH_EDGES = 2 ** np.arange(5, 18)  # tokens: below 32, 32 to 63, … 65,536 and more
QUALITY_BINS = 20


@dataclass
class Sites:
    """Documents and tokens by host. Beyond ``limit`` hosts the smaller half is forgotten and ``complete`` ends."""

    limit: int = SITES_COUNTED
    tokens: Counter[str] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)
    complete: bool = True

    def add(self, url: str, tokens: int) -> None:
        host = site(url)
        self.tokens[host] += tokens
        self.documents[host] += 1
        if len(self.tokens) > self.limit:
            self.complete = False
            self.tokens = Counter(dict(self.top(self.limit // 2)))
            self.documents = Counter({name: self.documents[name] for name in self.tokens})

    def top(self, count: int) -> list[tuple[str, int]]:
        """Hosts with the most tokens, ties by name."""
        return sorted(self.tokens.items(), key=lambda item: (-item[1], item[0]))[:count]


@dataclass
class Tally:
    """What adds up over parts."""

    documents: int = 0
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(len(LENGTH_EDGES) + 1, np.int64))
    quality_measured: np.ndarray = field(default_factory=lambda: np.zeros(QUALITY_BINS, np.int64))
    quality_kept: np.ndarray = field(default_factory=lambda: np.zeros(QUALITY_BINS, np.int64))
    repeated_lines: int = 0  # that line dedup took out of kept documents
    site_lines: int = 0  # that the rules of their site took out of them
    alone: Counter[str] = field(default_factory=Counter)  # rule → documents that fail it and no other rule
    sites: Sites = field(default_factory=Sites)
    # category → (record_id, part, row) of its samples: ids are hashes, so the smallest are a fair and stable draw
    samples: defaultdict[str, list[tuple[str, int, int]]] = field(default_factory=lambda: defaultdict(list))


def summarise(run: Run) -> dict[str, Any]:
    """All that the page shows, as JSON data. The run must have its ledger and mix."""
    counted, mix, tally = funnel(run), run.folder.read_json("mix.json"), Tally()
    for index in range(len(run.parts)):
        _add_part(run, index, tally)
        tally.alone += dropped_alone(run, index)
    return {
        "version": 1,
        "name": posixpath.basename(run.folder.root.rstrip("/")),
        "inputs": [shorten(name, NAME_CHARACTERS) for name in run.config.input[:INPUTS_SHOWN]],
        "input_count": len(run.config.input),
        "mix": {name: mix[name] for name in ("name", "seed", "tokens_before", "tokens_after")},
        "headline": {
            "records": counted.records,
            "documents": tally.documents,
            "kept": counted.kept,
            "dropped": counted.dropped.total(),
            "quarantined": counted.quarantined,
            "tokens": counted.tokens,
        },
        "steps": [
            {name: row[name] for name in ("stage", "step", "records_in", "records_out")}
            | {"reasons": sorted(counted.held[row["step"]].items(), key=lambda item: (-item[1], item[0]))}
            for row in counted.steps()
        ],
        "lines": {"repeated": tally.repeated_lines, "by_site": tally.site_lines},
        "alone": dict(sorted(tally.alone.items())),
        "categories": mix["categories"],
        "languages": mix["languages"],
        "lengths": {"edges": LENGTH_EDGES.tolist(), "documents": tally.lengths.tolist()},
        "quality": {"measured": tally.quality_measured.tolist(), "kept": tally.quality_kept.tolist()},
        "sites": [
            {"site": shorten(host, NAME_CHARACTERS), "documents": tally.sites.documents[host], "tokens": tokens}
            for host, tokens in tally.sites.top(SITES_SHOWN)
        ],
        "sites_complete": tally.sites.complete,
        "samples": _samples(run, tally.samples),
    }


def site(url: str) -> str:
    """The host of a URL without ``www.``; "(none)" where there is none to read."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return host.removeprefix("www.") if host else "(none)"


def _add_part(run: Run, index: int, tally: Tally) -> None:
    documents = Documents(run, index, "shards")
    kept = pa.array(documents.rows)
    quality = documents.signals("rules", ["quality"])["quality"]
    tally.documents += len(documents)
    tally.quality_measured += _quality_bins(quality)
    tally.quality_kept += _quality_bins(quality.take(kept))
    tokens = documents.signals("tokens", ["tokens"])["tokens"].take(kept)
    bins = np.searchsorted(LENGTH_EDGES, tokens.to_numpy(), side="right")
    tally.lengths += np.bincount(bins, minlength=len(tally.lengths))
    cut, by_site = (pc.sum(pc.list_value_length(lines.take(kept))).as_py() or 0 for lines in _edits(run, index)[:2])
    tally.repeated_lines += cut - by_site
    tally.site_lines += by_site
    categories = documents.signals("models", ["category"])["category"].take(kept)
    columns = [documents.column(name).take(kept) for name in ("record_id", "url")] + [categories, tokens]
    rows = zip(documents.rows.tolist(), *(column.to_pylist() for column in columns), strict=True)
    for row, record_id, url, category, count in rows:
        tally.sites.add(url, count)
        best = tally.samples[category]
        best.append((record_id, index, row))
        best.sort()
        del best[SAMPLES:]


def dropped_alone(run: Run, index: int) -> Counter[str]:
    """Documents of a part that fail one text rule only, by rule: what the mix would gain without it."""
    documents = Documents(run, index, "rules")
    kept = pa.array(documents.rows)
    languages = documents.signals("prepare", ["language"])["language"].take(kept)
    thresholds = rules.load_thresholds(run.config.refine.thresholds)
    failed = rules.failures(documents.signals("rules").take(kept), languages, thresholds)
    flags = np.stack([column.to_numpy(zero_copy_only=False) for column in failed.columns], axis=1)
    counts = flags[flags.sum(axis=1) == 1].sum(axis=0)
    return Counter({name: int(count) for name, count in zip(failed.column_names, counts, strict=True) if count})


def _quality_bins(quality: pa.ChunkedArray) -> np.ndarray:
    """Documents in each of the equal bins between 0 and 1; nulls are left out."""
    return np.histogram(quality.drop_null().to_numpy(), QUALITY_BINS, (0, 1))[0]


def _samples(run: Run, places: dict[str, list[tuple[str, int, int]]]) -> dict[str, list[dict[str, Any]]]:
    """The documents at ``places``, by category; each part is read once."""
    by_part: defaultdict[int, list[int]] = defaultdict(list)
    for chosen in places.values():
        for _, part, row in chosen:
            by_part[part].append(row)
    found = {sample["record_id"]: sample for part, rows in sorted(by_part.items()) for sample in _read(run, part, rows)}
    return {category: [found[record_id] for record_id, _, _ in places[category]] for category in sorted(places)}


def _read(run: Run, part: int, rows: list[int]) -> Iterator[dict[str, Any]]:
    documents, at, pii = Documents(run, part, "shards"), pa.array(rows), run.config.refine.pii
    columns = {name: documents.column(name) for name in ("record_id", "url", "title", "text")}
    for folder, names in {"prepare": ["language", "removed"], "rules": ["quality"], "tokens": ["tokens"]}.items():
        table = documents.signals(folder, names)
        columns |= {name: table[name] for name in names}
    columns["cut"], columns["by_site"], columns["site_reason"] = _edits(run, part)
    for document in pa.table({name: column.take(at) for name, column in columns.items()}).to_pylist():
        text, removed = document.pop("text"), json.loads(document.pop("removed") or "[]")
        cut, by_site, site_reason = (document.pop(name) for name in ("cut", "by_site", "site_reason"))
        reasons = dict.fromkeys(cut or (), REPEATED) | dict.fromkeys(by_site or (), f"site rules: {site_reason}")
        yield document | {
            "url": shorten(document["url"], NAME_CHARACTERS),
            "title": shorten(document["title"] or "", NAME_CHARACTERS),
            "quality": round(document["quality"], 4),
            "lines": excerpt([final_text(line, pii) for line in text.split("\n")], reasons),
            "removed": [
                [shorten(final_text(block, pii), BLOCK_CHARACTERS), reason] for block, reason, _ in likeliest(removed)
            ],
            "removed_count": len(removed),
        }


def _edits(run: Run, part: int) -> list[pa.ChunkedArray]:
    """Of each document: the lines taken out, those of them that the rules of its site took out, and their reason."""
    name = f"{part_name(part)}.parquet"
    by_site = run.folder.read_table(f"edits/sites/{name}", ["lines", "reason"])
    return [run.folder.read_table(f"edits/lines/{name}", ["lines"])["lines"], by_site["lines"], by_site["reason"]]


def excerpt(
    lines: list[str], reasons: Mapping[int, str], limit: int = SAMPLE_CHARACTERS
) -> list[tuple[int, str, str | None]]:
    """The first ``limit`` characters of a text, and the first lines taken out after them.

    Each line is (number, text, why it was taken out or None); ``reasons`` has the whys by line number.
    """
    shown: list[tuple[int, str, str | None]] = []
    for number, line in enumerate(lines):
        if limit <= 0:
            break
        shown.append((number, shorten(line, limit), reasons.get(number)))
        limit -= len(line)
    later = [number for number in sorted(reasons) if number >= len(shown)][:CUT_LINES]
    return shown + [(number, shorten(lines[number], BLOCK_CHARACTERS), reasons[number]) for number in later]


def likeliest(removed: list[tuple[str, str, int]], count: int = REMOVED_BLOCKS) -> list[tuple[str, str, int]]:
    """The ``count`` blocks that were nearest to being kept, in the order of the page.

    Reasons end in a score of fixed width ("clutter 0.07"), so their order is that of the scores.
    """
    ranked = sorted(range(len(removed)), key=lambda place: removed[place][1], reverse=True)
    return [removed[place] for place in sorted(ranked[:count])]


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
