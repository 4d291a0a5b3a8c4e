"""crawlmix classify: what all models say of a text or a page."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.extraction import Extractor

HELP = "say what all models make of a text or HTML file: language, web type, quality, category, kind"
BEST = 5  # categories to show
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_HEAD = 2000  # characters in which a page shows that it is one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="text or HTML, in any charset; - for standard input")
    parser.add_argument("--url", default="", help="address of the page, which says something of its type")
    parser.add_argument("--json", action="store_true", help="print a JSON list, one object a file")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    judged = list(_judge(args.files, args.url))
    if args.json:
        print(json.dumps(judged, ensure_ascii=False, indent=1))
        return 0
    console = Console(highlight=False)
    for entry in judged:
        _print(console, entry)
    return 0


def _judge(files: list[str], url: str) -> Iterator[dict[str, Any]]:
    from pipeline.extraction import make_extractor

    extractor = make_extractor()
    try:
        for file in files:
            text, facts = _read(file, url, extractor)
            yield {"file": file, "characters": len(text)} | judge(text, facts)
    finally:
        extractor.close()


def _read(file: str, url: str, extractor: Extractor) -> tuple[str, dict[str, Any]]:
    """The text of a file and what is known of its page. Raises UserError where it holds no text."""
    from pipeline.errors import UserError
    from pipeline.extraction.decode import clean, decode

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    decoded = decode(data)
    if _HTML.search(decoded.text, 0, _HEAD):
        page = extractor.extract(data, url)
        if page.reason:
            raise UserError(f"{file} is a page without text to judge: {page.reason} {page.detail}".rstrip())
        return page.text, page.facts | {"url": url}
    text = clean(decoded.text)
    if not text.strip() or (b"\0" in data and not decoded.charset.startswith("utf-16")):
        raise UserError(f"{file} holds no text: give a text or HTML file")
    return text, {"url": url} if url else {}


def judge(text: str, facts: dict[str, Any]) -> dict[str, Any]:
    """What all models say of one text: names with their probabilities, best first."""
    from classifiers import category, language, quality, webtype
    from classifiers.taxonomy import load_taxonomy

    taxonomy = load_taxonomy()
    scores = category.probabilities([text])
    leaves = dict(zip(taxonomy.leaves, scores[0].tolist(), strict=True))
    kinds = dict.fromkeys(taxonomy.kinds, 0.0)
    for leaf, share in leaves.items():
        kinds[taxonomy.kind[leaf]] += share
    types = webtype.probabilities([text], [facts])[0].tolist()
    return {
        "languages": [[name, share] for name, share in language.identify([text])[0]],
        "webtypes": _ranked(dict(zip(webtype.TYPES, types, strict=True))),
        "quality": quality.good_probability([text], [facts])[0],
        "categories": _ranked(leaves)[:BEST],
        "unsure": bool(category.unsure(scores)[0]),
        "kinds": _ranked(kinds),
    }


def _ranked(shares: dict[str, float]) -> list[list[Any]]:
    return [[name, share] for name, share in sorted(shares.items(), key=lambda item: (-item[1], item[0]))]


def _print(console: Console, entry: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text(f"{printable(entry['file'])}  {entry['characters']:,} characters", style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("language", _shares(entry["languages"]) or "none: there are no letters")
    table.add_row("web type", _shares(entry["webtypes"][:3]))
    table.add_row("quality", f"{entry['quality']:.0%} likely to be good")
    table.add_row("category", ("unsure: " if entry["unsure"] else "") + _shares(entry["categories"]))
    table.add_row("kind", _shares(entry["kinds"][:3]))
    console.print(table)


def _shares(ranked: list[list[Any]]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in ranked)
