"""metrics.jsonl: one object a step. What depends on the clock is under `timing`; all else is the same in every run."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple


class CategoryLoss(NamedTuple):
    tokens: int  # trained on so far
    first: float  # mean loss over the first tenth of the steps, nats a token; nan where it had no token
    last: float  # and over the last tenth


class MetricsFile:
    def __init__(self, path: Path, step: int) -> None:
        """Opens the file for the steps after `step`; lines of later steps, which are trained again, are cut off."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_metrics(path) if line["step"] <= step]
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), encoding="utf-8")
        os.replace(temporary, path)

    def append(self, metrics: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics, ensure_ascii=False) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The complete lines of the file (a writer that was killed leaves half a line)."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def losses_by_category(metrics: list[dict[str, Any]]) -> dict[str, CategoryLoss]:
    """By category, most tokens first."""
    tenth = max(1, len(metrics) // 10)
    first, last = mean_losses(metrics[:tenth]), mean_losses(metrics[-tenth:])
    tokens: Counter[str] = Counter()
    for line in metrics:
        tokens.update(line["tokens_by_category"])
    nan = float("nan")
    return {
        name: CategoryLoss(count, first.get(name, nan), last.get(name, nan)) for name, count in tokens.most_common()
    }


def mean_losses(metrics: list[dict[str, Any]]) -> dict[str, float]:
    sums: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for line in metrics:
        for name, count in line["tokens_by_category"].items():
            tokens[name] += count
            sums[name] += count * line["loss_by_category"][name]
    return {name: sums[name] / tokens[name] for name in tokens}
