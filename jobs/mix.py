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
        rows = _languages(mix) if level == "language" else _totals(mix["categories"], level)
        console.print(_table(level, rows))
        console.print()


def _totals(categories: list[dict[str, Any]], level: str) -> list[dict[str, Any]]:
    """Rows of ``categories`` added up by kind or group; categories as they are. Largest share after first."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in categories:
        groups[row[level]].append(row)
    names = ("documents", "unique_tokens", "share_before", "target_share", "share_after")
    rows = [{"name": name} | {key: sum(row[key] for row in group) for key in names} for name, group in groups.items()]
    total = sum(row["unique_tokens"] for row in categories)
    read = sum(row["unique_tokens"] * row["repeats"] for row in categories)
    for row in rows:
        row["repeats"] = row["share_after"] * read / row["unique_tokens"] if row["unique_tokens"] and total else 0.0
    return sorted(rows, key=lambda row: (-row["share_after"], row["name"]))


def _languages(mix: dict[str, Any]) -> list[dict[str, Any]]:
    before, after = mix["tokens_before"] or 1, mix["tokens_after"] or 1
    rows: dict[str, dict[str, Any]] = {}
    for cell in mix["cells"]:
        row = rows.setdefault(
            cell["language"], {"name": cell["language"], "documents": 0, "unique_tokens": 0, "read": 0.0}
        )
        row["documents"] += cell["documents"]
        row["unique_tokens"] += cell["unique_tokens"]
        row["read"] += cell["unique_tokens"] * cell["repeats"]
    for row in rows.values():
        row |= {"share_before": row["unique_tokens"] / before, "share_after": row["read"] / after}
        row |= {"target_share": None, "repeats": row["read"] / max(1, row["unique_tokens"])}
    return sorted(rows.values(), key=lambda row: -row["share_after"])


def _table(level: str, rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(level, no_wrap=True)
    for name in ("documents", "unique tokens", "before", "target", "after", "repeats"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        target = "" if row["target_share"] is None else f"{row['target_share']:.2%}"
        table.add_row(
            row["name"],
            f"{row['documents']:,}",
            f"{row['unique_tokens']:,}",
            f"{row['share_before']:.2%}",
            target,
            f"{row['share_after']:.2%}",
            f"{row['repeats']:.2f}",
        )
    return table
