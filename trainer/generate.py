"""Text from a release, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from pipeline.errors import UserError
from trainer.model import Transformer


def find_release(folder: Path) -> Path:
    """A release folder itself, or the newest release of a training's output folder."""
    if (folder / "config.json").is_file():
        return folder
    releases = sorted((folder / "releases").glob("step-*"))
    if not releases:
        raise UserError(
            f"{folder} holds no release: give the --output of crawlmix train, or a folder below its releases/"
        )
    return releases[-1]


@torch.no_grad()
def generate(
    model: Transformer,
    prompt: list[int],
    tokens: int,
    eos_id: int,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
) -> Iterator[int]:
    """Up to `tokens` token ids that continue a prompt (not empty), until the end of the text.

    Temperature 0 takes the most probable token. Each token is computed from the whole text, without a cache of keys and
    values: this is for looking at a model, not for serving one.
    """
    generator = torch.Generator().manual_seed(seed)
    ids = list(prompt)
    for _ in range(tokens):
        context = torch.tensor([ids[-model.config.context :]])
        hidden_BTD, _ = model(context, torch.arange(context.shape[1])[None])
        token = choose(model.lm_head(hidden_BTD[0, -1]), temperature, top_p, generator)
        if token == eos_id:
            return
        ids.append(token)
        yield token


def choose(logits_V: torch.Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """Samples among the most probable tokens that together reach top_p (arXiv 1904.09751)."""
    if temperature == 0:
        return int(logits_V.argmax())
    probabilities, tokens = (logits_V / temperature).softmax(-1).sort(descending=True, stable=True)
    before = probabilities.cumsum(-1) - probabilities
    probabilities[before >= top_p] = 0
    return int(tokens[torch.multinomial(probabilities, 1, generator=generator)])
