"""Quality, speed and structure of the default extractor beside its peers: `python bench/extraction.py [--json]`.

All take turns on the same pages (dev.parquet) in one run, each in a process of one thread, by the scorer that lies
beside the pages. ``f1`` is on the pages that the model was trained on; ``f1_cross_validated`` stands in the model's
file: it was measured by models that had not seen the sites that they were judged on. The data is not part of the
project.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[0] = str(REPOSITORY)  # this folder would hide the packages of the same names

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from classifiers.model_file import read_model

OURS = "pipeline.extraction:extract_text"
PEERS = {"trafilatura": "baselines:trafilatura_nocomments", "resiliparse": "baselines:resiliparse_main_nocomments"}
REFERENCE = "trafilatura"
SECONDS_A_PAGE = 20.0
KINDS = ("code", "tables", "formulas")


def measure(data: Path, repeat: int, limit: int | None) -> dict[str, Any]:
    """The figures of the default extractor, and of its peers by name."""
    sys.path.append(str(data))
    score = importlib.import_module("score")
    pages = pq.read_table(data / "dev.parquet").to_pylist()
    if limit and limit < len(pages):
        pages = pages[:: -(-len(pages) // limit)]
    names = [*PEERS.values(), OURS]
    multiprocessing.set_start_method("spawn")
    texts, seconds, _ = score.run(pages, names, SECONDS_A_PAGE, repeat)
    rows = {}
    for name in names:
        judged = [score.judge(page, text) for page, text in zip(pages, texts[name], strict=True)]
        rows[name] = {**score.quality(judged, pages), **score.speed(seconds[name], pages)}
    peers = {peer: {"f1": rows[name]["F1"], "docs_per_second": rows[name]["docs/s"]} for peer, name in PEERS.items()}
    ours = rows[OURS]
    return {
        "pages": len(pages),
        "f1": ours["F1"],
        "f1_cross_validated": float(read_model("clutter")["f1_cross_validated"]),
        "docs_per_second": ours["docs/s"],
        "ratio": ours["docs/s"] / peers[REFERENCE]["docs_per_second"],
        "p50_ms": ours["p50ms"],
        "p99_ms": ours["p99ms"],
        "peers": peers,
        "structure": structure(data),
    }


def structure(data: Path) -> dict[str, float]:
    """How much of code, data tables and formulas survives; see structure.py beside the pages."""
    command = [sys.executable, str(data / "structure.py"), str(data / "dev.parquet"), OURS]
    lines = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(zip(KINDS, map(float, lines[-1].split()[-len(KINDS) :]), strict=True))


def table(found: dict[str, Any]) -> Table:
    shown = Table("extractor", "F1", "pages a second", f"x {REFERENCE}", title=f"{found['pages']} pages, one core")
    reference = found["peers"][REFERENCE]["docs_per_second"]
    for name, row in [*found["peers"].items(), ("crawlmix", found)]:
        speed = row["docs_per_second"]
        shown.add_row(name, f"{row['f1']:.3f}", f"{speed:.0f}", f"{speed / reference:.1f}")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = REPOSITORY.parent / "shared" / "extraction"
    parser.add_argument("--data", type=Path, default=default, help="folder of dev.parquet and its scorers")
    parser.add_argument("--repeat", type=int, default=1, help="passes over the pages, each timed")
    parser.add_argument("--limit", type=int, help="only every n-th page, about this many")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    found = measure(arguments.data.resolve(), arguments.repeat, arguments.limit)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    console = Console(width=120)
    console.print(table(found))
    console.print(f"F1 on sites that were not trained on: {found['f1_cross_validated']:.3f}")
    console.print(f"a page takes {found['p50_ms']:.2f} ms (median), {found['p99_ms']:.1f} ms (99th percentile)")
    console.print("kept: " + ", ".join(f"{kind} {share:.2f}" for kind, share in found["structure"].items()))


if __name__ == "__main__":
    main()
