"""crawlmix sites: the sites that a run's text comes from, and the lines that are worth a rule."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.run import Run

HELP = "rank the sites of a run by their kept text, with their most repeated lines: where a site rule pays"
WIDEST_LINE = 69  # characters of a repeated line on the terminal: 80 with its count
FORM = """\
A site's rules are a file <site>.yaml in a folder that refine.sites names:
  {reason: why, drop_urls: ['regular expression'], remove_lines: [a whole line, '/regular expression/']}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument("--top", metavar="N", type=int, default=20, help="sites to show (default %(default)s)")
    parser.add_argument("--lines", metavar="K", type=int, default=5, help="lines of each site (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print a JSON list, one object a site")


def run(args: argparse.Namespace) -> int:
    from pipeline.errors import UserError
    from pipeline.run import open_run
    from rules.sites import count_sites, rank_sites

    opened = open_run(args.run)
    if not opened.folder.exists("ledger"):
        raise UserError(f"{args.run} has no ledger yet: let crawlmix run end first")
    if args.top < 1 or args.lines < 0:
        raise UserError("--top must be at least 1 and --lines at least 0")
    parts = (count_sites(kept_pages(opened, index)) for index in range(len(opened.parts)))
    ranked = rank_sites(parts, args.top, args.lines)
    if args.json:
        print(json.dumps(ranked.to_pylist(), ensure_ascii=False, indent=1))
    else:
        print_sites(ranked)
    return 0


def kept_pages(run: Run, part: int) -> Iterator[tuple[str, str]]:
    """URL and text, as edited, of the documents of a part that the run kept."""
    import pyarrow as pa

    from pipeline.documents import Documents

    documents = Documents(run, part, "shards")
    urls = documents.column("url")
    for rows, texts in documents.texts():
        yield from zip(urls.take(pa.array(rows)).to_pylist(), texts, strict=True)


def print_sites(ranked: pa.Table) -> None:
    """A table of ``rules.sites.rank_sites`` on the terminal: sites, then their lines, then how to write a rule."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from jobs.terminal import printable

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("site", overflow="fold")
    for name in ("documents", "characters", "share", "so far"):
        table.add_column(name, justify="right", no_wrap=True)
    lines = Text("\nmost repeated lines, with their documents\n", style="bold")
    for row in ranked.to_pylist():
        site = printable(row["site"]) or "(no URL)"
        table.add_row(
            Text(site),
            f"{row['documents']:,}",
            f"{row['characters']:,}",
            f"{row['share']:.1%}",
            f"{row['share_so_far']:.1%}",
        )
        if row["lines"]:
            lines.append(f"{site}\n", style="not bold")
        for entry in row["lines"]:
            lines.append(f"{entry['documents']:>9,}  {shorten(printable(entry['line']))}\n", style="not bold dim")
    console = Console(highlight=False)
    console.print(table)
    console.print(lines, soft_wrap=True)
    console.print(Text(FORM), soft_wrap=True)


def shorten(line: str) -> str:
    return line if len(line) <= WIDEST_LINE else line[: WIDEST_LINE - 1] + "…"
