"""crawlmix mix diff: what changes from one mix to another, in tokens and documents, with samples of what moves."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from jobs.mix_tables import LEVELS, amount, table, wide_console
from jobs.terminal import printable

if TYPE_CHECKING:
    from classifiers.taxonomy import Taxonomy
    from pipeline.mix.diff import Movement
    from pipeline.mix.shards import Cell
    from pipeline.storage import Folder

HELP = "compare two mixes: tokens and documents of a pass over each, with samples of what enters and leaves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    for name in ("a", "b"):
        text = f"mix {name.upper()}: a named mix, mixes/NAME of the run, a YAML file, or current"
        parser.add_argument(name, metavar=name.upper(), help=text)
    parser.add_argument("--by", choices=LEVELS, default="category", help="rows of the table (default: %(default)s)")
    parser.add_argument("--samples", metavar="N", type=int, default=5, help="of each kind (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print a JSON list, one object a category, with N samples")


def run(args: argparse.Namespace) -> int:
    from classifiers.taxonomy import load_taxonomy
    from pipeline.errors import UserError
    from pipeline.mix.diff import compare
    from pipeline.mix.mixes import find_mix
    from pipeline.run import open_run

    if args.samples < 0:
        raise UserError("--samples must be at least 0")
    opened, taxonomy = open_run(args.run), load_taxonomy()
    a, b = find_mix(opened, args.a), find_mix(opened, args.b)
    movements = compare(opened.folder, a, b, args.samples)
    if args.json:
        rows = category_rows(opened.folder, movements, taxonomy, args.samples)
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    print_diff(movements, args, taxonomy)
    print_samples(opened.folder, movements, args.samples)
    return 0


def category_rows(
    folder: Folder, movements: dict[Cell, Movement], taxonomy: Taxonomy, samples: int
) -> list[dict[str, Any]]:
    """One object a category, in the taxonomy's order: tokens and documents in A and B, and what enters and leaves."""
    from pipeline.mix.diff import merged, read_samples

    by_category = merged(movements, lambda cell: cell.category, taxonomy.leaves, samples)
    return [
        {"category": leaf, "group": taxonomy.group[leaf], "kind": taxonomy.kind[leaf]}
        | movement.numbers()
        | {"enters": read_samples(folder, movement.enters), "leaves": read_samples(folder, movement.leaves)}
        for leaf, movement in by_category.items()
    ]


def print_diff(movements: dict[Cell, Movement], args: argparse.Namespace, taxonomy: Taxonomy) -> None:
    from rich.text import Text

    from pipeline.mix.diff import merged

    def level(cell: Cell) -> str:
        if args.by in ("kind", "group"):
            return str(getattr(taxonomy, args.by)[cell.category])
        return str(getattr(cell, args.by))

    rows = merged(movements, level, sorted({level(cell) for cell in movements}), 0)
    gains = {name: movement.tokens_b - movement.tokens_a for name, movement in rows.items()}
    total = merged(movements, lambda _: "all", ("all",), 0)
    console = wide_console()
    console.print(
        Text.assemble("A is ", (args.a, "bold"), ", B is ", (args.b, "bold"), ": what one pass over each reads")
    )
    console.print()
    heads = (args.by, "tokens A", "tokens B", "change", "docs A", "docs B", "change", "enter", "leave")
    ordered = sorted(rows, key=lambda name: (-gains[name], name))
    console.print(table(heads, [_cells(name, (rows | total)[name]) for name in [*ordered, *total]]))


def _cells(name: str, movement: Movement) -> tuple[str, ...]:
    return (
        name,
        amount(movement.tokens_a),
        amount(movement.tokens_b),
        _signed(movement.tokens_b - movement.tokens_a),
        amount(movement.documents_a),
        amount(movement.documents_b),
        _signed(movement.documents_b - movement.documents_a),
        amount(movement.documents_entering) if movement.documents_entering else "",
        amount(movement.documents_leaving) if movement.documents_leaving else "",
    )


def _signed(change: int) -> str:
    return ("+" if change > 0 else "") + amount(change) if change else ""


def print_samples(folder: Folder, movements: dict[Cell, Movement], samples: int) -> None:
    """Documents that enter and that leave, drawn evenly from all that do."""
    from rich.text import Text

    from pipeline.mix.diff import merged, read_samples

    console = wide_console()

    def line(text: Text) -> None:
        console.print(text, no_wrap=True, overflow="ellipsis")

    for movement in merged(movements, lambda _: "all", ("all",), samples).values():
        for title, places in (("enters, for example", movement.enters), ("leaves, for example", movement.leaves)):
            if places:
                console.print(f"\n[bold]{title}[/bold]")
            for sample in read_samples(folder, places):
                head = f"{sample['category']} {sample['language']} {sample['quality']:.2f}  "
                line(Text.assemble((head, "cyan"), printable(sample["title"] or "(no title)")))
                line(Text(f"  {printable(sample['url'])}", style="dim"))
                line(Text(f"  {printable(sample['text'])}"))
