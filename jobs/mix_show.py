"""crawlmix mix show: what a mix holds, by kind, group, category, language and quality band, and what that truly is."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from jobs.mix_tables import LEVELS, NOTED, amount, print_mix, table, totals, wide_console

if TYPE_CHECKING:
    from rich.table import Table

HELP = "show a run's mix: documents, unique tokens, share before, target, share after, repeats, shortfall, true shares"
ASSIGNED = "before, target, after: each document counts for the one category that it was assigned to, as mixes draw it"
ESTIMATED = "estimated: what that truly holds, by the probabilities of all categories"
CORRECTED = f"{ESTIMATED}, less known confusions (90 % interval)"
STATED = f"{ESTIMATED}; no correction, no interval: your model's confusions are unknown"
ABSENT = "what that truly holds is not estimated, as an older crawlmix made this run: crawlmix run again adds it"
LEAST = ("took", "short", "docs", "tokens")  # what gives way on a narrow terminal, in this order

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--mix", metavar="NAME", default="current", help="a named mix, mixes/NAME of the run, a YAML file, or current"
    )
    parser.add_argument("--by", choices=(*LEVELS, "all"), default="all", help="tables to show (default: all)")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON list, one object a row of --by (all: category)"
    )


def run(args: argparse.Namespace) -> int:
    from pipeline.mix import mixes, shares
    from pipeline.run import open_run

    opened = open_run(args.run)
    mix = mixes.find_mix(opened, args.mix)
    estimated = shares.estimates(opened, mix)
    if estimated:
        mix = shares.with_all_categories(mix, estimated["category"])

    def rows(level: str) -> list[Row]:
        found = estimated.get(level, {})
        return [row | found.get(row[level], {}) for row in _rows(mix, level)]

    if args.json:
        print(json.dumps(rows("category" if args.by == "all" else args.by), ensure_ascii=False, indent=1))
        return 0
    print_mix(mix, ())
    console = wide_console()
    levels = LEVELS if args.by == "all" else (args.by,)
    for level in levels:
        console.print(_table(level, rows(level), console.width))
        console.print()
    if set(levels) & set(shares.LEVELS):
        console.print(ASSIGNED)
        console.print((CORRECTED if shares.correctable(opened) else STATED) if estimated else ABSENT)
    return 0


def _rows(mix: dict[str, Any], level: str) -> list[Row]:
    """What a mix does to each kind, group, category, language or band, named by ``level``."""
    entries = {"category": "categories", "language": "languages", "band": "bands"}
    return mix[entries[level]] if level in entries else [{level: row.pop("name")} | row for row in totals(mix, level)]


def _table(level: str, rows: list[Row], width: int) -> Table:
    """The largest share after comes first; a column of nothing but empty estimates is left out."""
    rows = sorted(rows, key=lambda row: (-row["share_after"], row[level]))
    columns = [
        (level, [row[level] for row in rows]),
        ("docs", [amount(row["documents"]) for row in rows]),
        ("tokens", [amount(row["unique_tokens"]) for row in rows]),
        ("before", [f"{row['share_before']:.2%}" for row in rows]),
        ("estimated", [_estimate(row, "estimated_before") for row in rows]),
        ("target", [f"{row['target_share']:.2%}" for row in rows]),
        ("after", [f"{row['share_after']:.2%}" for row in rows]),
        ("estimated", [_estimate(row, "estimated_after") for row in rows]),
        ("repeats", [f"{row['repeats']:.2f}" for row in rows]),
        ("short", [_noted(row["shortfall"]) for row in rows]),
        ("took", [_noted(row["surplus"]) for row in rows]),
    ]
    columns = [column for column in columns if any(column[1]) or column[0] != "estimated"]
    for least in LEAST:
        if sum(max(map(len, (head, *cells))) + 1 for head, cells in columns) > width:
            columns = [column for column in columns if column[0] != least]
    heads, cells = zip(*columns, strict=True)
    return table(heads, zip(*cells, strict=True))


def _estimate(row: Row, field: str) -> str:
    """A share with its interval, such as ``38.9% (36–42)``; empty where there is none."""
    if field not in row:
        return ""
    low, high = row[f"{field}_low"], row[f"{field}_high"]
    return f"{row[field]:.1%}" + ("" if low is None else f" ({_bound(low)}–{_bound(high)})")


def _bound(share: float) -> str:
    return f"{share * 100:.0f}" if share >= 0.0995 else f"{share * 100:.1f}"


def _noted(share: float) -> str:
    return f"{share:.2%}" if share >= NOTED else ""
