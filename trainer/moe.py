"""The Mixture-of-Experts layer: router, routed experts, shared experts, and what keeps their load even.

Shapes, as suffixes of names: N tokens of a batch (batch × sequence), K experts a token, R = N·K rows sorted by expert,
E experts, M expert width, D model width, L MoE layers, C categories; B and T as in model.py.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config import ModelConfig


class Routing(NamedTuple):
    """What one MoE layer reports of one forward pass. It is returned, never stored in the layer: a layer that is
    recomputed in the backward pass would count its tokens twice."""

    experts_NK: Tensor  # int64, each token's experts
    counts_E: Tensor  # int64, rows that went to each expert
    balance_loss: Tensor  # scalar, float32


class SwiGLU(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Router(nn.Module):
    """Sigmoid router with a balancing bias that takes part in the choice only, not in the weights.

    All of it is float32: in bfloat16 the bias's small steps vanish, and the chosen set differs for 1.5 % of tokens.
    Source: DeepSeek-V3 (arXiv 2412.19437), section 2.1.2, which dots.llm1 follows.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.empty(config.experts, config.width))
        self.e_score_correction_bias: Tensor
        self.register_buffer("e_score_correction_bias", torch.zeros(config.experts))

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Routing]:
        """Weights [N, K] (float32) of the chosen experts, and the layer's Routing."""
        with torch.autocast(x_BTD.device.type, enabled=False):
            scores_BTE = F.linear(x_BTD.float(), self.weight.float()).sigmoid()
        experts_BTK = (scores_BTE + self.e_score_correction_bias).topk(self.config.experts_per_token, dim=-1).indices
        weights_BTK = scores_BTE.gather(-1, experts_BTK)
        weights_BTK = weights_BTK / (weights_BTK.sum(-1, keepdim=True) + 1e-20) * self.config.routed_scaling
        counts_BE = F.one_hot(experts_BTK, self.config.experts).sum(dim=(1, 2))
        balance_loss = sequence_balance_loss(scores_BTE, counts_BE)
        return weights_BTK.flatten(0, 1), Routing(experts_BTK.flatten(0, 1), counts_BE.sum(0), balance_loss)


def sequence_balance_loss(scores_BTE: Tensor, counts_BE: Tensor) -> Tensor:
    """Σ_e f_e·P_e of each sequence, averaged: f_e is expert e's load relative to an even one, P_e its mean share of
    the scores. 1 when the load is even. Source: DeepSeek-V3, equations 17 to 20."""
    experts = counts_BE.shape[-1]
    load_BE = counts_BE * (experts / counts_BE.sum(-1, keepdim=True))
    share_BE = (scores_BTE / scores_BTE.sum(-1, keepdim=True)).mean(dim=1)
    return (load_BE * share_BE).sum(-1).mean()


def rows_of_tokens(x_ND: Tensor, order_R: Tensor, k: int) -> Tensor:
    return x_ND[order_R // k]


def sum_of_rows(y_RD: Tensor, order_R: Tensor, k: int) -> Tensor:
    return y_RD[order_R.argsort()].view(-1, k, y_RD.shape[-1]).sum(dim=1)


class Dispatch(torch.autograd.Function):
    """Tokens to rows sorted by expert. Its gradient is Combine and the other way round, so that both directions gather
    (deterministic, contiguous) where autograd would scatter-add."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, order_R: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(order_R)
        ctx.k = k
        return rows_of_tokens(x_ND, order_R, k)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return sum_of_rows(grads[0], ctx.saved_tensors[0], ctx.k), None, None


class Combine(torch.autograd.Function):
    """Sums the K rows of each token."""

    @staticmethod
    def forward(ctx: Any, y_RD: Tensor, order_R: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(order_R)
        ctx.k = k
        return sum_of_rows(y_RD, order_R, k)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return rows_of_tokens(grads[0], ctx.saved_tensors[0], ctx.k), None, None


class Experts(nn.Module):
    """All routed experts of a layer as two stacked tensors, run by grouped matrix products."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.empty(config.experts, 2 * config.expert_width, config.width))
        self.down_proj = nn.Parameter(torch.empty(config.experts, config.width, config.expert_width))

    def forward(self, rows_RD: Tensor, weights_R: Tensor, ends_E: Tensor) -> Tensor:
        """Rows sorted by expert; `ends_E` (int32) is where each expert's rows end. No row lies beyond the last end:
        grouped_mm leaves such rows uninitialised."""
        device = rows_RD.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else rows_RD.dtype
        gate_up = F.grouped_mm(rows_RD.to(dtype), self.gate_up_proj.to(dtype).transpose(1, 2), offs=ends_E)
        gate_RM, up_RM = gate_up.chunk(2, dim=-1)
        # Scaling here instead of after down_proj is the same mathematics on narrower rows.
        hidden_RM = F.silu(gate_RM) * up_RM * weights_R[:, None].to(dtype)
        return F.grouped_mm(hidden_RM, self.down_proj.to(dtype).transpose(1, 2), offs=ends_E)


class MoE(nn.Module):
    """Top-K routed experts plus shared experts (one SwiGLU of their joint width, for every token, unscaled).
    No token is dropped."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = Router(config)
        self.experts = Experts(config)
        self.shared_experts = SwiGLU(config.width, config.shared_experts * config.expert_width)

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Routing]:
        weights_NK, routing = self.gate(x_BTD)
        k = weights_NK.shape[-1]
        order_R = routing.experts_NK.flatten().argsort(stable=True)
        ends_E = routing.counts_E.cumsum(0).to(torch.int32)
        rows_RD = Dispatch.apply(x_BTD.flatten(0, 1), order_R, k)
        rows_RD = self.experts(rows_RD, weights_NK.flatten()[order_R], ends_E)
        routed_ND = Combine.apply(rows_RD, order_R, k)
        return routed_ND.view_as(x_BTD) + self.shared_experts(x_BTD), routing


@torch.no_grad()
def update_bias(bias_E: Tensor, counts_E: Tensor, gamma: float) -> None:
    """Raises the bias of experts below the mean load by gamma, lowers the others', and keeps its mean at zero.

    Source: auxiliary-loss-free balancing, arXiv 2408.15664, algorithm 1; the centring as in TorchTitan.
    """
    load_E = counts_E.float()
    bias_E += gamma * (load_E.mean() - load_E).sign()
    bias_E -= bias_E.mean()


def load_metrics(counts_LE: Tensor) -> dict[str, float | int]:
    """How even the load of a step was, over layers and experts.

    max_vio: the worst layer's (highest load / mean load) - 1 (arXiv 2408.15664, equation 4). load_entropy: mean over
    layers, 1 when even, 0 when one expert takes all. dead_experts: experts that got no token.
    """
    load_LE = counts_LE.double() / counts_LE.sum(-1, keepdim=True)
    experts = counts_LE.shape[-1]
    entropy_L = torch.special.entr(load_LE).sum(-1) / math.log(experts)
    return {
        "max_vio": float(load_LE.max() * experts - 1),
        "load_entropy": float(entropy_L.mean()),
        "dead_experts": int((counts_LE == 0).sum()),
    }


def category_divergence(counts_LCE: Tensor) -> Tensor:
    """How far each category's load is from that of all tokens: Kullback-Leibler divergence in nats, mean over layers.

    0 where a category uses the experts as all tokens do; it grows as experts specialise. nan without tokens. [C]
    """
    load_LCE = counts_LCE.double() / counts_LCE.sum(-1, keepdim=True)
    all_L1E = counts_LCE.sum(1, keepdim=True).double()
    all_L1E = all_L1E / all_L1E.sum(-1, keepdim=True)
    return torch.special.xlogy(load_LCE, load_LCE / all_L1E.clamp(min=1e-12)).sum(-1).mean(0)
