"""The models that ship: figures of their cards, documents a second, megabytes: `python bench/classifiers.py [--json]`.

The figures are those that training wrote into each card: of pages whose sites the model did not see. Speed is measured
here, on one core and on texts of 2,000 characters: sentences of this repository's documentation in a random order.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder would hide the packages of the same names

from rich.console import Console
from rich.table import Table

from classifiers import category, quality, webtype
from classifiers.model_file import MODELS

TEXTS, CHARACTERS = 1000, 2000
SCORERS: dict[str, Callable[[list[str]], object]] = {
    "category": category.probabilities,
    "webtype": webtype.probabilities,
    "quality": quality.good_probability,
}
FILES = {
    "category": ("category", "category_calibration", "vocabulary"),
    "webtype": ("webtype",),
    "quality": ("quality",),
}


def card_figures(name: str) -> list[dict[str, Any]]:
    """The rows of the card's first table, by the names of its columns."""
    lines = (MODELS / f"{name}.md").read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("| pages |"))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:]]
    stop = next(place for place, line in enumerate(lines[start:]) if not line.startswith("|"))
    head, _, *rows = cells[:stop]
    return [{column: _number(cell) for column, cell in zip(head, row, strict=True)} for row in rows]


def _number(cell: str) -> Any:
    return float(cell) if re.fullmatch(r"\d+\.\d+", cell) else int(cell) if cell.isdigit() else cell


def texts() -> list[str]:
    """Texts of 2,000 characters."""
    sentences = re.split(r"(?<=[.:]) ", (ROOT / "README.md").read_text(encoding="utf-8"))
    draw = random.Random(0)
    return [" ".join(draw.choices(sentences, k=CHARACTERS // 10))[:CHARACTERS] for _ in range(TEXTS)]


def speed(score: Callable[[list[str]], object], sample: list[str]) -> float:
    """Documents a second of processor time, the hashing of the text included."""
    score(sample[:1])  # compile and load
    start = time.process_time()
    score(sample)
    return len(sample) / (time.process_time() - start)


def measure() -> list[dict[str, Any]]:
    sample = texts()
    return [
        {
            "model": name,
            "documents_per_second": round(speed(score, [f"{text}{name}" for text in sample])),  # none hashed before
            "megabytes": round(sum((MODELS / f"{file}.npz").stat().st_size for file in FILES[name]) / 1e6, 2),
            "figures": card_figures(name),
        }
        for name, score in SCORERS.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    as_json, results = parser.parse_args().json, measure()
    if as_json:
        print(json.dumps(results, indent=2, ensure_ascii=False))
        return
    console = Console(width=140)
    for result in results:
        head = f"{result['model']}: {result['documents_per_second']:,} documents a second, {result['megabytes']} MB"
        table = Table(*result["figures"][0], title=head)
        for row in result["figures"]:
            table.add_row(*map(str, row.values()))
        console.print(table)


if __name__ == "__main__":
    main()
