"""crawlmix explain: what happened to one record, and why."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from jobs.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console

HELP = "tell a record's whole life: where it lies, what was measured, what was cut, its verdict, its place in the mix"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument(
        "record", metavar="URL_OR_ID", help="a URL as the crawl wrote it, or a record id (16 hex characters)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list, one object a record")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from pipeline.errors import UserError
    from pipeline.life import find
    from pipeline.run import open_run

    opened = open_run(args.run)
    if not opened.folder.exists("ledger"):
        raise UserError(f"{args.run} has no ledger yet: let crawlmix run end first")
    lives = list(find(opened, args.record))
    if args.json:
        print(json.dumps(lives, ensure_ascii=False, indent=1))
        return 0 if lives else 1
    if not lives:
        raise UserError(f"no record of {args.run} has the URL or id {args.record}; URLs are compared letter by letter")
    console = Console(highlight=False)
    for life in lives:
        _print(console, life)
    return 0


def _print(console: Console, life: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    colour = {"kept": "green", "dropped": "red", "quarantined": "yellow"}[life["verdict"]]
    console.print(Text.assemble((life["verdict"], f"bold {colour}"), f"  {printable(life['url'] or '(no URL)')}"))
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_row("record", life["record_id"])
    facts.add_row("lies in", f"{life['file']} at byte {life['offset']:,}, {life['length']:,} bytes")
    facts.add_row("last step", life["last_step"])
    if life["reason"]:
        facts.add_row("reason", Text(life["reason"] + (f" ({printable(life['detail'])})" if life["detail"] else "")))
    if life["category"]:
        facts.add_row("category", life["category"])
    if life["repeats"] is not None:
        facts.add_row("in the mix", f"{life['tokens']:,} tokens, read {life['repeats']:.2f} times a pass")
    console.print(facts)
    _print_signals(console, life["signals"])
    if life["text"] is not None:
        _print_text(console, life)
    console.print()


def _print_signals(console: Console, signals: dict[str, Any]) -> None:
    from rich.columns import Columns
    from rich.text import Text

    if signals:
        console.print(Text("signals", style="bold"))
        shown = [f"{name} {_short(value)}" for name, value in signals.items() if not isinstance(value, (list, dict))]
        console.print(Columns([Text(text, style="dim") for text in shown], padding=(0, 3), column_first=True))
        for name, value in signals.items():
            if isinstance(value, (list, dict)) and value:
                pairs = value.items() if isinstance(value, dict) else value
                console.print(
                    Text(f"{name}: " + ", ".join(f"{key} {_short(part)}" for key, part in pairs), style="dim")
                )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else printable(str(value))


def _print_text(console: Console, life: dict[str, Any]) -> None:
    """The document's text with all that was taken out struck through, in its place."""
    from rich.text import Text

    cut = {edit["line"]: edit for edit in life["edits"] if "line" in edit}
    clutter = [edit for edit in life["edits"] if "before" in edit]
    console.print(Text("text", style="bold"))
    for number, line in enumerate([*life["text"].split("\n"), None]):
        while clutter and (line is None or clutter[0]["before"] <= number):
            edit = clutter.pop(0)
            console.print(Text.assemble((printable(edit["text"]), "strike red"), (f"  {edit['reason']}", "dim")))
        if line is not None:
            console.print(Text(printable(line), style="strike red" if number in cut else ""))
        if number in cut:
            console.print(Text(f"  ↑ {cut[number]['reason']}", style="dim"))
