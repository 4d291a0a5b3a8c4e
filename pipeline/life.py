"""A record's whole life: where it lies, what each step measured and took out, its verdict, its place in the mix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.mix.repeats import weights_of
from pipeline.mix.shards import cells_of
from pipeline.run import Run, part_name

JSON_SIGNALS = ("languages", "facts", "webtypes", "categories", "kinds", "groups")
SIGNALS = ("prepare", "exact", "rules", "near", "models", "semantic", "tokens")


def find(run: Run, url_or_id: str) -> Iterator[dict[str, Any]]:
    """Every record with this URL or record id, in input order."""
    for index in range(len(run.parts)):
        ledger = run.folder.read_table(f"ledger/{part_name(index)}.parquet")
        same = pc.or_(pc.equal(ledger["url"], url_or_id), pc.equal(ledger["record_id"], url_or_id))
        for place in pc.indices_nonzero(pc.fill_null(same, False)).to_pylist():
            yield _life(run, index, place, ledger.slice(place, 1).to_pylist()[0])


def _life(run: Run, part: int, place: int, row: dict[str, Any]) -> dict[str, Any]:
    document = run.folder.read_table(f"records/{part_name(part)}.parquet", ["document"])["document"][place].as_py()
    signals = {} if document is None else _signals(run, part, document)
    removed = json.loads(signals.pop("removed", None) or "[]")
    return {
        "record_id": row["record_id"],
        "url": row["url"],
        "file": row["file"],
        "offset": row["offset"],
        "length": row["length"],
        "last_step": row["step"],
        "extracted": document is not None,
        "verdict": row["verdict"],
        "reason": row["reason"],
        "detail": row["detail"],
        "tokens": row["tokens"],
        "signals": signals,
        "edits": [{"step": "extract", "before": line, "text": text, "reason": reason} for text, reason, line in removed]
        + ([] if document is None else _cut_lines(run, part, document)),
        "category": signals.get("category"),
        "repeats": _repeats(run, signals) if row["verdict"] == "kept" else None,
        "text": None if document is None else _value(run, "documents", part, document, "text"),
    }


def _signals(run: Run, part: int, document: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for folder in SIGNALS:
        name = f"signals/{folder}/{part_name(part)}.parquet"
        if run.folder.exists(name):
            row = run.folder.read_table(name).slice(document, 1).to_pylist()[0]
            values.update({key: value for key, value in row.items() if value is not None})
    for name in JSON_SIGNALS:
        if name in values:
            values[name] = json.loads(values[name])
    return values


def _cut_lines(run: Run, part: int, document: int) -> list[dict[str, Any]]:
    cut = _value(run, "edits/lines", part, document, "lines") or []
    by_site = set(_value(run, "edits/sites", part, document, "lines") or [])
    lines = _value(run, "documents", part, document, "text").split("\n") if cut else []
    repeated = f"this line heads or ends more than {run.config.refine.lines.keep} documents"
    furniture = f"the rules of its site take it out: {_value(run, 'edits/sites', part, document, 'reason')}"
    return [
        {"step": "lines", "line": line, "text": lines[line], "reason": furniture if line in by_site else repeated}
        for line in cut
    ]


def _value(run: Run, folder: str, part: int, document: int, column: str) -> Any:
    return run.folder.read_table(f"{folder}/{part_name(part)}.parquet", [column])[column][document].as_py()


def _repeats(run: Run, signals: dict[str, Any]) -> float | None:
    """How often the mix reads documents of this category, language and quality in a pass, on average."""
    document = pa.table({"language": [signals["language"]], "quality": [signals["quality"]]})
    (cell,), _ = cells_of(document, signals["category"])
    return float(weights_of([cell], run.folder.read_json("mix.json"))[0])
