"""crawlmix mix show: what the mix holds, by kind, group, category and language."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from typing import Any

HELP = "show a run's mix: documents, unique tokens, share before, target, share after, repeats"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="show")
    show = actions.add_parser("show", help=HELP, description=HELP)
    show.add_argument("run", metavar="RUN", help="folder of the run")
    show.add_argument("--by", choices=("kind", "group", "category", "language", "all"), default="all")
    show.add_argument("--json", action="store_true", help="print a JSON list, one object a category")


def run(args: argparse.Namespace) -> int:
    from pipeline.errors import UserError
    from pipeline.run import open_run

    opened = open_run(args.run)
    if not opened.folder.exists("mix.json"):
        raise UserError(f"{args.run} has no mix yet: let crawlmix run end first")
    mix = opened.folder.read_json("mix.json")
    if args.json:
        print(json.dumps(mix["categories"], ensure_ascii=False, indent=1))
        return 0
    print_mix(mix, args.by)
    return 0


def print_mix(mix: dict[str, Any], by: str = "all") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"mix [bold]{mix['name']}[/bold]: weights mean tokens")
    console.print(f"{mix['tokens_before']:,} unique tokens, {mix['tokens_after']:,.0f} read in a pass\n")
    for level in ("kind", "group", "category", "language") if by == "all" else (by,):
        rows = _totals(mix["languages" if level == "language" else "categories"], level)
        console.print(_table(level, rows))
        console.print()


def _totals(rows: list[dict[str, Any]], level: str) -> list[dict[str, Any]]:
    """Rows with the same ``level`` (kind, group, category or language) added up, the largest share after first."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[level]].append(row)
    names = ("documents", "unique_tokens", "share_before", "target_share", "share_after")
    totals = [{"name": name} | {key: sum(row[key] for row in group) for key in names} for name, group in groups.items()]
    for total in totals:
        read = sum(row["unique_tokens"] * row["repeats"] for row in groups[total["name"]])
        total["repeats"] = read / max(1, total["unique_tokens"])
    return sorted(totals, key=lambda total: (-total["share_after"], total["name"]))


def _table(level: str, rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(level, no_wrap=True)
    for name in ("documents", "unique tokens", "before", "target", "after", "repeats"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['documents']:,}",
            f"{row['unique_tokens']:,}",
            f"{row['share_before']:.2%}",
            f"{row['target_share']:.2%}",
            f"{row['share_after']:.2%}",
            f"{row['repeats']:.2f}",
        )
    return table
