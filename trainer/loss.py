"""Cross-entropy over a large vocabulary, without the full matrix of logits."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = -100  # a target that is not counted
CHUNK = 1024  # tokens whose logits are in memory at once


class ChunkedCrossEntropy(torch.autograd.Function):
    """Gradients are computed in the forward pass, while a chunk's logits are there; sums are float32."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
        device = hidden_ND.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden_ND.dtype
        wants_grad = any(ctx.needs_input_grad)
        losses_N = torch.zeros(len(targets_N), dtype=torch.float32, device=hidden_ND.device)
        grad_ND = torch.zeros_like(hidden_ND) if wants_grad else None
        grad_VD = torch.zeros_like(head_VD, dtype=torch.float32) if wants_grad else None
        with torch.autocast(device, enabled=False):
            head = head_VD.to(dtype)
            for start in range(0, len(targets_N), CHUNK):
                chunk = slice(start, start + CHUNK)
                hidden, targets = hidden_ND[chunk].to(dtype), targets_N[chunk]
                logits = (hidden @ head.T).float()
                losses_N[chunk] = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="none")
                if grad_ND is None or grad_VD is None:
                    continue
                counted = targets != IGNORE
                grad = logits.softmax(-1)
                grad[torch.arange(len(targets), device=grad.device), targets.clamp(min=0)] -= 1
                grad = (grad * counted[:, None]).to(dtype)
                grad_ND[chunk] = grad @ head
                grad_VD += (grad.T @ hidden).float()
        ctx.save_for_backward(grad_ND, grad_VD)
        ctx.mark_non_differentiable(losses_N)
        return losses_N.sum(), losses_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_ND, grad_VD = ctx.saved_tensors
        return grad_ND * grads[0], grad_VD * grads[0], None


def cross_entropy(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of the losses (nats, differentiable) and each token's loss [N] (for reports; 0 where IGNOREd)."""
    return ChunkedCrossEntropy.apply(hidden_ND, head_VD, targets_N)
