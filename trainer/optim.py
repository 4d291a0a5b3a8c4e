"""AdamW as the report uses it."""

from __future__ import annotations

import torch
from torch import nn

from trainer.config import TrainConfig


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Matrices decay; norms and the input embedding do not (a rare token's row would shrink between its occurrences).

    The learning rate is set at each step. Source of betas and decay: dots.llm1 report, section 4.2.
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (free if parameter.ndim == 1 or name.startswith("embed_tokens") else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=config.betas)
