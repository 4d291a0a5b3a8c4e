"""crawlmix train-classifier: distils labels into a small model that a run can use."""

from __future__ import annotations

import argparse
import hashlib
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.tasks import TASKS

if TYPE_CHECKING:
    from classifiers.training.distil import Example, Judged

HELP = "train a small model on labels, for balance.models.<task>_model of a run"
KINDS = {".bin": "fasttext", ".ftz": "fasttext", ".npz": "linear"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labels", metavar="LABELS", help="JSON lines with a label and a text, as of crawlmix label")
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--output", required=True, metavar="FILE", help="model.ftz, model.bin or model.npz")
    parser.add_argument("--kind", choices=sorted(set(KINDS.values())), help="what to train (default: as FILE ends)")
    parser.add_argument("--run", metavar="RUN", help="run that has the texts of lines with a record_id alone")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from classifiers.training.distil import distil
    from pipeline.errors import UserError

    output = Path(args.output)
    if output.suffix not in KINDS or args.kind not in (None, KINDS[output.suffix]):
        known = " or ".join(suffix for suffix, kind in KINDS.items() if args.kind in (None, kind))
        raise UserError(f"--output {output}: a {args.kind or 'model'} is a file that ends in {known}")
    rows = read_labels(Path(args.labels), args.task, args.run)
    examples = [_example(row) for row in rows]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        judged = distil(examples, output)
        card = output.with_suffix(".md")
        card.write_text(describe(args, output, rows, judged), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the model {output}: {error.strerror or error}") from None
    Console(highlight=False).print(
        f"accuracy {judged.accuracy:.3f} on {judged.examples:,} pages of sites that it did not see "
        f"(always the most frequent label: {judged.baseline:.3f}; macro F1 {judged.macro_f1:.3f})\n"
        f"the model, trained on all {len(examples):,} pages: {output}   its card: {card}\n"
        f"use it: crawlmix run … --set balance.models.{args.task}_model={output}",
        soft_wrap=True,
    )
    return 0


def read_labels(path: Path, task: str, source: str | None) -> list[dict[str, Any]]:
    """The rows of a label file, each with a label of the task and a text, taken from a run where it has none.

    Raises UserError for a row that has no such label or no text.
    """
    from classifiers.tasks import labels_of
    from jobs.pages import read_rows
    from pipeline.errors import UserError

    labels, numbered = labels_of(task), list(read_rows(path))
    for number, row in numbered:
        row["label"] = str(row.get("label"))
        if row["label"] not in labels or row.get("task", task) != task:
            raise UserError(f"{path}, line {number}: {row['label']!r} is no label for {task}")
    _add_texts([row for _, row in numbered], source)
    for number, row in numbered:
        if not isinstance(row.get("text"), str):
            raise UserError(f"{path}, line {number}: there is no text; name the run that has it with --run")
    if not numbered:
        raise UserError(f"{path} holds no labels")
    return [row for _, row in numbered]


def _add_texts(rows: list[dict[str, Any]], source: str | None) -> None:
    """Give the rows without a text that, and the URL, of their record in a run."""
    from jobs.pages import read_pages

    missing = [row for row in rows if not isinstance(row.get("text"), str)]
    if source and missing:
        wanted = {row.get("record_id") for row in missing}
        found = {page.record_id: page for page in read_pages(source) if page.record_id in wanted}
        for row in missing:
            if page := found.get(str(row.get("record_id"))):
                row |= {"text": page.text, "url": page.url}


def _example(row: dict[str, Any]) -> Example:
    from classifiers.training.distil import Example, site_of

    name = str(row.get("record_id") or hashlib.sha256(row["text"].encode("utf-8", "replace")).hexdigest())
    return Example(row["text"], row["label"], site_of(str(row.get("url") or ""), name))


def describe(args: argparse.Namespace, output: Path, rows: list[dict[str, Any]], judged: Judged) -> str:
    """The model's card."""
    labels = Path(args.labels)
    counts = Counter(row["label"] for row in rows)
    teachers = Counter(f"{row['model']}, prompt {row.get('prompt_sha256')}" for row in rows if row.get("model"))
    lines = [
        f"# {output.name}: {args.task}",
        "",
        f"A {KINDS[output.suffix]} model of {output.stat().st_size / 1e6:.2f} MB, trained by crawlmix train-classifier",
        f"on {len(rows):,} pages with {len(counts)} labels. It sees the first 4,000 characters of a text.",
        f"Labels: `{labels.name}`, SHA-256 `{hashlib.sha256(labels.read_bytes()).hexdigest()}`.",
        *(f"- {number:,} labels by {teacher}" for teacher, number in sorted(teachers.items())),
        "",
        f"Judged on {judged.examples:,} pages of sites held out (a fifth of them), by a model trained on the rest:",
        "",
        f"- accuracy {judged.accuracy:.3f}; always saying the most frequent label {judged.baseline:.3f}",
        f"- macro F1 {judged.macro_f1:.3f}",
        "",
        "Its probabilities are not calibrated.",
        "",
        "| label | pages | held out | precision | recall |",
        "|---|---|---|---|---|",
    ]
    measured = {label: (number, precision, recall) for label, number, precision, recall in judged.by_label}
    for label, number in sorted(counts.items()):
        held, precision, recall = measured.get(label, (0, math.nan, math.nan))
        lines.append(f"| {label} | {number:,} | {held:,} | {precision:.2f} | {recall:.2f} |")
    return "\n".join(lines) + "\n"
