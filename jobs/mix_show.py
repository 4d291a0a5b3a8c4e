"""crawlmix mix show: what a mix holds, by kind, group, category, language and quality band, and what that truly is."""

from __future__ import annotations

import argparse
import json
from typing import Any

from jobs.mix_tables import LEVELS, mix_table, named_totals, print_head, wide_console

HELP = "show a run's mix: documents, unique tokens, share before, target, share after, repeats, shortfall, true shares"
ASSIGNED = "before, target, after: each document counts for the one category that it was assigned to, as mixes draw it"
ESTIMATED = "estimated: what that truly holds, by the probabilities of all categories"
CORRECTED = f"{ESTIMATED}, less known confusions (90 % interval)"
STATED = f"{ESTIMATED}; no correction, no interval: your model's confusions are unknown"
ABSENT = "what that truly holds is not estimated, as an older crawlmix made this run: crawlmix run again adds it"

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
    print_head(mix)
    console = wide_console()
    levels = LEVELS if args.by == "all" else (args.by,)
    for level in levels:
        console.print(mix_table(level, rows(level), console.width))
        console.print()
    if set(levels) & set(shares.LEVELS):
        console.print(ASSIGNED)
        console.print((CORRECTED if shares.correctable(opened) else STATED) if estimated else ABSENT)
    return 0


def _rows(mix: dict[str, Any], level: str) -> list[Row]:
    """What a mix does to each kind, group, category, language or band, named by ``level``."""
    entries = {"category": "categories", "language": "languages", "band": "bands"}
    return mix[entries[level]] if level in entries else named_totals(mix, level)
