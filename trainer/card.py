"""The README of a release: what was trained, on what, and how well."""

from __future__ import annotations

import math
from typing import Any

from trainer.checkpoint import Progress
from trainer.config import TrainConfig
from trainer.metrics import losses_by_category
from trainer.model import count_parameters

CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags: [dots1, mixture-of-experts, crawlmix]
---

# A dots1 base model trained with crawlmix

{total:,} parameters, {active:,} of them active for a token; {layers} layers of width {width}; {experts} routed experts,
{chosen} of them and {shared} shared for each token. Trained for {steps:,} steps on {tokens:,} tokens.
It continues text; it was not trained to follow instructions.

## Data

| file of the run | SHA-256 |
|---|---|
{data}

| category | tokens | share | loss at the start | loss at the end |
|---|---:|---:|---:|---:|
{categories}

Losses are means in nats a token over the first and the last tenth of the steps. A document's first token is never a
target, so it is not counted.

## Use

    from transformers import AutoModelForCausalLM, AutoTokenizer
    model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
    tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
"""


def model_card(config: TrainConfig, progress: Progress, data: dict[str, str], metrics: list[dict[str, Any]]) -> str:
    """Markdown. `data` names what was read (file to SHA-256); `metrics` are the lines of metrics.jsonl."""
    total, active = count_parameters(config.model)
    losses = losses_by_category(metrics)
    counted = sum(loss.tokens for loss in losses.values()) or 1
    return CARD.format(
        total=total,
        active=active,
        layers=config.model.layers,
        width=config.model.width,
        experts=config.model.experts,
        chosen=config.model.experts_per_token,
        shared=config.model.shared_experts,
        steps=progress.step,
        tokens=progress.tokens,
        data="\n".join(f"| {name} | `{digest}` |" for name, digest in data.items()),
        categories="\n".join(
            f"| {name} | {loss.tokens:,} | {loss.tokens / counted:.1%} | {number(loss.first)} | {number(loss.last)} |"
            for name, loss in losses.items()
        ),
    )


def number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
