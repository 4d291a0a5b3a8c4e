"""crawlmix report: one self-contained page about a run."""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.run import Run

HELP = "write a self-contained HTML page about a run: funnel, rules, mix before and after, samples"
TEMPLATE = Path(__file__).with_suffix(".html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument("--output", metavar="FILE", help="where to write the page; default RUN/report.html")


def run(args: argparse.Namespace) -> int:
    from pipeline.errors import UserError
    from pipeline.run import open_run

    opened = open_run(args.run)
    if not (opened.folder.exists("ledger") and opened.folder.exists("mix.json")):
        raise UserError(f"{args.run} has no ledger and mix to report on yet: let crawlmix run end first")
    if args.output is None:
        print(f"wrote {write_report(opened)}")
        return 0
    try:
        Path(args.output).write_text(page_of(opened), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the report to {args.output}: {error}") from None
    print(f"wrote {args.output}")
    return 0


def write_report(run: Run) -> str:
    """Writes the page into the run's folder; returns where."""
    run.folder.write_bytes("report.html", page_of(run).encode())
    return f"{run.folder.url}/report.html"


def page_of(run: Run) -> str:
    from pipeline.report import summarise

    return render(summarise(run))


def render(summary: dict[str, Any]) -> str:
    """The page of a run's summary (pipeline.report.summarise).

    Everything in the summary is data to the page: it stands in a JSON block without any ``<`` and is shown as text
    nodes only. The page's policy lets it use its own style and script, by hash, and load nothing.
    """
    template = TEMPLATE.read_text(encoding="utf-8")
    data = json.dumps(summary, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    values = {
        "style_sha256": _sha256(template, "style"),
        "script_sha256": _sha256(template, "script"),
        "name": html.escape(summary["name"]),
        "data": data.replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def _sha256(template: str, tag: str) -> str:
    """The hash of an element's content, as a content security policy names it."""
    content = template.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
