"""Tables of mixes on the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LEVELS = ("kind", "group", "category", "language", "band")
SLACK_SHOWN = 8  # categories of a list
NOTED = 5e-5  # a share that shows, of two decimals of a percentage
WIDTH = 140  # of a line where no terminal limits it
LEAST = ("took", "short", "docs", "tokens")  # what gives way on a narrow terminal, in this order
UNITS = ("", "k", "M", "B", "T")


def wide_console() -> Console:
    """The terminal; or lines wide enough for all names where there is none."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    return console


def print_head(mix: dict[str, Any]) -> None:
    console = wide_console()
    console.print(f"mix [bold]{mix['name']}[/bold]: shares are shares of tokens")
    limit = f"no document more than {mix['max_repeats']:g} times"
    console.print(f"{mix['tokens_before']:,} unique tokens, {mix['tokens_after']:,.0f} read in a pass, {limit}\n")


def print_mix(mix: dict[str, Any], levels: Sequence[str]) -> None:
    print_head(mix)
    console = wide_console()
    for level in levels:
        console.print(mix_table(level, named_totals(mix, level), console.width))
        console.print()


def named_totals(mix: dict[str, Any], level: str) -> list[dict[str, Any]]:
    """The totals, each named by its level."""
    return [{level: row.pop("name")} | row for row in totals(mix, level)]


def totals(mix: dict[str, Any], level: str) -> list[dict[str, Any]]:
    """What a mix does to each kind, group, category, language or band; the largest share after comes first.

    Shortfall and surplus are those of the whole row: its categories may make up for each other.
    """
    entries = mix[{"language": "languages", "band": "bands"}.get(level, "categories")]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        groups[entry[level]].append(entry)
    rows = []
    for name, group in groups.items():
        row = {"name": name} | {
            key: sum(entry[key] for entry in group)
            for key in ("documents", "unique_tokens", "share_before", "target_share", "share_after")
        }
        read = sum(entry["unique_tokens"] * entry["repeats"] for entry in group)
        missed = sum(entry["shortfall"] - entry["surplus"] for entry in group)
        rows.append(
            row
            | {"repeats": read / max(1, row["unique_tokens"])}
            | {"shortfall": max(missed, 0), "surplus": max(-missed, 0)}
        )
    return sorted(rows, key=lambda row: (-row["share_after"], row["name"]))


def print_slack(mix: dict[str, Any]) -> None:
    """Where the mix falls short of its targets, and which categories take that."""
    from rich.padding import Padding

    console = wide_console()
    for level in ("category", "language"):
        rows = totals(mix, level)
        short = sum(row["shortfall"] for row in rows)
        if short < NOTED:
            console.print(f"every {level} reaches its target")
            continue
        reason = " (shares of categories come first)" if level == "language" else ""
        console.print(f"by {level} [bold]{short:.2%}[/bold] of the mix cannot be had as wanted{reason}")
        for title, field in (("falls short", "shortfall"), ("takes it", "surplus")):
            console.print(Padding(f"{title}: {_largest(rows, field)}", (0, 0, 0, 2)))


def _largest(rows: list[dict[str, Any]], field: str) -> str:
    ordered = sorted((row for row in rows if row[field] >= NOTED), key=lambda row: -row[field])
    shown = [f"{row['name']} {row[field]:.2%}" for row in ordered[:SLACK_SHOWN]]
    rest = len(ordered) - len(shown)
    return ", ".join([*shown, f"{rest} more"] if rest else shown)


def mix_table(level: str, rows: Sequence[dict[str, Any]], width: int) -> Table:
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


def _estimate(row: dict[str, Any], field: str) -> str:
    """A share with its interval, such as ``38.9% (36–42)``; empty where there is none."""
    if field not in row:
        return ""
    low, high = row[f"{field}_low"], row[f"{field}_high"]
    return f"{row[field]:.1%}" + ("" if low is None else f" ({_bound(low)}–{_bound(high)})")


def _bound(share: float) -> str:
    return f"{share * 100:.0f}" if share >= 0.0995 else f"{share * 100:.1f}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Names to the left, numbers to the right."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for place, head in enumerate(heads):
        if place:
            shown.add_column(head, justify="right", no_wrap=True)
        else:
            shown.add_column(head, overflow="ellipsis")  # what gives way on a narrow terminal
    for row in rows:
        shown.add_row(*row)
    return shown


def amount(value: float) -> str:
    """Three digits and a unit: 950, 9.50k, 3.51M; a minus sign where there is one."""
    unit = 0
    while abs(value) >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if not unit or abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f}{UNITS[unit]}"


def _noted(share: float) -> str:
    return f"{share:.2%}" if share >= NOTED else ""
