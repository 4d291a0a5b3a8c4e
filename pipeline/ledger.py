"""The ledger: one row for every record of the input, and the funnel that adds it up."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.documents import Documents
from pipeline.run import Counts, Phase, Run, Step, over_parts, part_name
from pipeline.schema import LEDGER

# Every step that can hold a record back, in order; what passes all of them is in the shards.
PREPARE = ("read", "url", "extract", "language", "exact")
REFINE = ("lines", "rules", "near")
BALANCE = ("webtype", "quality", "category", "semantic", "shards")
ORDER = PREPARE + REFINE + BALANCE
STAGE = dict.fromkeys(PREPARE, "prepare") | dict.fromkeys(REFINE, "refine") | dict.fromkeys(BALANCE, "balance")
# Where a step's own time goes that none of its named parts took.
REST = {"documents": "read", "models": "category", "tokenizer": "shards", "mix": "shards", "ledger": "shards"}


def write_ledger(run: Run, index: int) -> Counts:
    """The ledger of one part: its records, with the verdicts of its documents."""
    name = f"{part_name(index)}.parquet"
    records = run.folder.read_table(f"records/{name}")
    documents = Documents(run, index, "shards")
    tokens = run.folder.read_table(f"signals/tokens/{name}")["tokens"]
    at = records["document"]
    step, reason, detail = (documents.verdicts[column].take(at) for column in ("step", "reason", "detail"))
    reason = pc.coalesce(records["reason"], reason)
    verdict = pc.if_else(records["quarantined"], "quarantined", pc.if_else(pc.is_null(reason), "kept", "dropped"))
    columns = {
        **{column: records[column] for column in ("record_id", "file", "offset", "length", "url")},
        "step": pc.if_else(pc.is_null(at), records["step"], pc.coalesce(step, pa.scalar("shards"))),
        "verdict": verdict,
        "reason": reason,
        "detail": pc.coalesce(records["detail"], detail),
        "tokens": pc.cast(tokens.take(at), pa.int64()),
    }
    table = pa.table(columns).cast(LEDGER)
    run.folder.write_table(f"ledger/{name}", table)
    kept = pc.sum(pc.equal(table["verdict"], "kept")).as_py() or 0
    return Counts(records=table.num_rows, kept=kept)


LEDGER_STEP = Step(
    stage="balance",
    name="ledger",
    phases=(Phase("write", write_ledger, over_parts),),
    settings=(),
    code=("pipeline/ledger.py",),
    outputs=("ledger",),
)


@dataclass
class Funnel:
    """What became of all records. ``held`` counts, by step, the records that ended there, by verdict and reason."""

    records: int = 0
    kept: int = 0
    quarantined: int = 0
    tokens: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    held: dict[str, Counter[str]] = field(default_factory=lambda: {step: Counter() for step in ORDER})

    @property
    def adds_up(self) -> bool:
        return self.records == self.kept + self.dropped.total() + self.quarantined

    def steps(self) -> list[dict[str, Any]]:
        """Step by step: records in and out, and the seconds of one core that it took."""
        rows, left = [], self.records
        for step in ORDER:
            out = left - self.held[step].total()
            seconds = round(self.seconds.get(step, 0.0), 3)
            rows.append(
                {"stage": STAGE[step], "step": step, "records_in": left, "records_out": out, "seconds": seconds}
            )
            left = out
        return rows


def funnel(run: Run) -> Funnel:
    """Adds up the ledger, part by part."""
    total = Funnel()
    columns = ["step", "verdict", "reason", "tokens"]
    for name in run.folder.names("ledger", ".parquet"):
        table = run.folder.read_table(name, columns)
        total.records += table.num_rows
        total.tokens += pc.sum(table["tokens"]).as_py() or 0
        groups = table.group_by(["step", "verdict", "reason"]).aggregate([([], "count_all")]).to_pylist()
        for group in groups:
            count = group["count_all"]
            if group["verdict"] == "kept":
                total.kept += count
                continue
            total.held[group["step"]][group["reason"]] += count
            if group["verdict"] == "quarantined":
                total.quarantined += count
            else:
                total.dropped[group["reason"]] += count
    total.seconds = step_seconds(run)
    return total


def step_seconds(run: Run) -> dict[str, float]:
    """Seconds of one core that each step of the funnel took, from the manifests of the steps."""
    seconds: dict[str, float] = defaultdict(float)
    for name in run.folder.names("steps", ".json"):
        if name.count("/") == 1:
            manifest = run.folder.read_json(name)
            for part, took in manifest["counts"]["seconds"].items():
                step = manifest["step"]
                seconds[part if part in ORDER else REST.get(step, step)] += took
    return seconds


def disagreements(run: Run, counted: Funnel) -> list[str]:
    """Where the ledger says other than the records that were read and the shards that were written: phrases."""
    read = sum(run.folder.read_table(name, ["offset"]).num_rows for name in run.folder.names("records", ".parquet"))
    pairs = [
        ("records in the ledger", counted.records, "were read", read),
        ("records held back", counted.records - counted.kept, "have a reason", _with_reason(counted)),
    ]
    if run.folder.exists("shards/manifest.json"):
        shards = run.folder.read_json("shards/manifest.json")
        pairs.append(("documents kept", counted.kept, "are in the shards", shards["rows"]))
        pairs.append(("tokens kept", counted.tokens, "are in the shards", shards["tokens"]))
    found = [f"{mine:,} {what} but {theirs:,} {where}" for what, mine, where, theirs in pairs if mine != theirs]
    return found if counted.adds_up else ["kept, dropped and quarantined are not all records", *found]


def _with_reason(counted: Funnel) -> int:
    return sum(count for held in counted.held.values() for reason, count in held.items() if reason)
