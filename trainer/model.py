"""The dots.llm1 decoder. Parameters carry the names that Hugging Face transformers gives them.

Shapes, as suffixes of names: B sequences, T tokens of a sequence, D model width, H heads, W head width, V vocabulary.
Architecture: dots.llm1 Technical Report (arXiv 2506.05767), section 2 and table 6.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainer.config import ModelConfig
from trainer.moe import MoE, Router, Routing, SwiGLU


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        normal = x.float() * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + self.eps)
        return self.weight * normal.to(x.dtype)


def rotary_tables(positions_BT: Tensor, head_width: int, theta: float) -> tuple[Tensor, Tensor]:
    """cos and sin [B, 1, T, W] in float32, both halves of a head alike (arXiv 2104.09864, in GPT-NeoX's layout)."""
    exponents = torch.arange(0, head_width, 2, device=positions_BT.device).float() / head_width
    angles = positions_BT[:, None, :, None].float() * theta**-exponents
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x_BHTW: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x_BHTW.chunk(2, dim=-1)
    return x_BHTW * cos + torch.cat([-second, first], dim=-1) * sin


def document_mask(documents_BT: Tensor) -> Tensor:
    """True where a token may look: back, and within its own document. [B, 1, T, T]."""
    same = documents_BT[:, :, None] == documents_BT[:, None, :]
    return same.tril()[:, None]


class Attention(nn.Module):
    """Multi-head attention without biases; queries and keys are normalised per head before they are rotated."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_width = config.heads, config.head_width
        inner = config.heads * config.head_width
        self.q_proj = nn.Linear(config.width, inner, bias=False)
        self.k_proj = nn.Linear(config.width, inner, bias=False)
        self.v_proj = nn.Linear(config.width, inner, bias=False)
        self.o_proj = nn.Linear(inner, config.width, bias=False)
        self.q_norm = RMSNorm(config.head_width, config.norm_eps)
        self.k_norm = RMSNorm(config.head_width, config.norm_eps)

    def forward(self, x_BTD: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        q, k, v = (
            proj(x_BTD).unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(self.q_norm(q), *rotary), rotate(self.k_norm(k), *rotary)
        y_BHTW = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.o_proj(y_BHTW.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.width, config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_eps)
        dense = layer < config.dense_layers
        self.mlp: SwiGLU | MoE = SwiGLU(config.width, config.dense_width) if dense else MoE(config)

    def forward(
        self, x_BTD: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None
    ) -> tuple[Tensor, Routing | None]:
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), rotary, mask)
        normal_BTD = self.post_attention_layernorm(x_BTD)
        if isinstance(self.mlp, MoE):
            y_BTD, routing = self.mlp(normal_BTD)
            return x_BTD + y_BTD, routing
        return x_BTD + self.mlp(normal_BTD), None


class Transformer(nn.Module):
    """Built without values (also on the meta device): call `initialise`, or load weights."""

    def __init__(self, config: ModelConfig, recompute: bool = False) -> None:
        super().__init__()
        self.config = config
        self.recompute = recompute
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        self.lm_head = nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(
        self, tokens_BT: Tensor, positions_BT: Tensor, documents_BT: Tensor | None = None
    ) -> tuple[Tensor, list[Routing]]:
        """Final hidden states [B, T, D], and the routing of each MoE layer. Logits are `lm_head(hidden)`: the loss
        takes them in chunks. Without `documents_BT` each sequence is one document."""
        mask = None if documents_BT is None else document_mask(documents_BT)
        rotary = rotary_tables(positions_BT, self.config.head_width, self.config.rope_theta)
        x_BTD = self.embed_tokens(tokens_BT)
        routings = []
        for block in self.layers:
            if self.recompute and self.training:
                x_BTD, routing = checkpoint(block, x_BTD, rotary, mask, use_reentrant=False)
            else:
                x_BTD, routing = block(x_BTD, rotary, mask)
            if routing is not None:
                routings.append(routing)
        return self.norm(x_BTD), routings

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Matrices from N(0, init_std), norms at one, balancing biases at zero."""
        generator = torch.Generator(self.lm_head.weight.device).manual_seed(seed)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, self.config.init_std, generator=generator)
            else:
                parameter.fill_(1.0)
        for router in self.routers():
            router.e_score_correction_bias.zero_()

    def routers(self) -> list[Router]:
        return [block.mlp.gate for block in self.layers if isinstance(block.mlp, MoE)]


def count_parameters(config: ModelConfig) -> tuple[int, int]:
    """Parameters of a model: all, and those that take part in one token (embeddings included)."""
    with torch.device("meta"):
        model = Transformer(config)
    total = sum(parameter.numel() for parameter in model.parameters())
    expert = 3 * config.width * config.expert_width
    idle = (config.experts - config.experts_per_token) * expert * (config.layers - config.dense_layers)
    return total, total - idle
