"""crawlmix status: the funnel of a run."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.ledger import Funnel
    from pipeline.run import Run

HELP = "print what became of all records: kept, dropped by reason, quarantined"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    from pipeline.ledger import funnel
    from pipeline.run import open_run

    opened = open_run(args.run)
    if not opened.folder.exists("ledger"):
        return _unfinished(opened, args.json)
    counted = funnel(opened)
    if args.json:
        print(json.dumps(as_json(opened, counted), ensure_ascii=False, indent=1))
    else:
        print_funnel(opened, counted)
    return 0 if sound(opened, counted) else 1


def _unfinished(run: Run, as_json: bool) -> int:
    done = [
        name.split("/")[1].removesuffix(".json") for name in run.folder.names("steps", ".json") if name.count("/") == 1
    ]
    if as_json:
        print(json.dumps({"finished": False, "steps_done": sorted(done)}))
    else:
        print(
            f"the run is not finished: {', '.join(sorted(done)) or 'no step'} done; run the same command again to go on"
        )
    return 1


def sound(run: Run, counted: Funnel) -> bool:
    """Whether the ledger agrees with what was read and what was written; says so on stderr where not."""
    from pipeline.ledger import disagreements

    found = disagreements(run, counted)
    if found:
        print(
            f"crawlmix: THE LEDGER DOES NOT ADD UP: {', '.join(found)}; do not use this run's shards, and please "
            "report it",
            file=sys.stderr,
        )
    return not found


def as_json(run: Run, counted: Funnel) -> dict[str, Any]:
    from pipeline.ledger import disagreements

    documents = sum(
        run.folder.read_table(name, ["record_id"]).num_rows for name in run.folder.names("documents", ".parquet")
    )
    return {
        "records": counted.records,
        "documents": documents,
        "kept": counted.kept,
        "dropped": dict(counted.dropped.most_common()),
        "quarantined": counted.quarantined,
        "adds_up": not disagreements(run, counted),
        "tokens": counted.tokens,
        "steps": counted.steps(),
    }


def print_funnel(run: Run, counted: Funnel) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("stage", "step", "in", "out", "held back", "core s", "reasons"):
        table.add_column(
            name, justify="right" if name in {"in", "out", "held back", "core s"} else "left", no_wrap=name != "reasons"
        )
    stage = ""
    for row in counted.steps():
        held = counted.held[row["step"]]
        reasons = ", ".join(
            f"{reason.removeprefix(row['step'] + '.')} {count:,}" for reason, count in held.most_common(6)
        )
        if len(held) > 6:
            reasons += f", {len(held) - 6} more"
        table.add_row(
            row["stage"] if row["stage"] != stage else "",
            row["step"],
            f"{row['records_in']:,}",
            f"{row['records_out']:,}",
            f"{row['records_in'] - row['records_out']:,}",
            f"{row['seconds']:,.1f}",
            reasons,
        )
        stage = row["stage"]
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"\n{counted.records:,} records = {counted.kept:,} kept + {counted.dropped.total():,} dropped + "
        f"{counted.quarantined:,} quarantined   ({counted.tokens:,} tokens kept)"
    )
