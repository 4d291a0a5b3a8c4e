"""One rule of the MoE layer a test."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from trainer.config import ModelConfig
from trainer.moe import MoE, Router, category_divergence, load_metrics, sequence_balance_loss, update_bias


def seeded(module: torch.nn.Module, std: float = 0.3) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, std, generator=generator)
    return module


def loop_over_experts(moe: MoE, x_ND: torch.Tensor) -> torch.Tensor:
    """The layer as its formula reads, one token and one expert at a time."""
    config, rows = moe.gate.config, []
    for x in x_ND:
        scores = torch.sigmoid(moe.gate.weight @ x)
        chosen = (scores + moe.gate.e_score_correction_bias).topk(config.experts_per_token).indices
        weights = scores[chosen] / scores[chosen].sum() * config.routed_scaling
        row = moe.shared_experts(x)
        for weight, expert in zip(weights, chosen, strict=True):
            gate, up = (moe.experts.gate_up_proj[expert] @ x).chunk(2)
            row = row + weight * (moe.experts.down_proj[expert] @ (F.silu(gate) * up))
        rows.append(row)
    return torch.stack(rows)


def test_layer_and_all_its_gradients_equal_the_formula(model_config: ModelConfig) -> None:
    """Also with experts that get no token: a wrong offset or permutation shows here."""
    moe = seeded(MoE(model_config))
    moe.gate.e_score_correction_bias[:3] = -10.0
    x = torch.randn(2, 9, model_config.width, generator=torch.Generator().manual_seed(1), requires_grad=True)
    fast, routing = moe(x)
    slow = loop_over_experts(moe, x.flatten(0, 1)).view_as(x)
    assert routing.counts_E[:3].tolist() == [0, 0, 0] and routing.counts_E.sum() == 18 * 2
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)
    inputs = [x, *moe.parameters()]
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    for got, wanted in zip(
        torch.autograd.grad(fast, inputs, direction), torch.autograd.grad(slow, inputs, direction), strict=True
    ):
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3)


def test_bias_selects_but_does_not_weigh(model_config: ModelConfig) -> None:
    router = seeded(Router(model_config))
    x = torch.randn(1, 5, model_config.width, generator=torch.Generator().manual_seed(1))
    router.e_score_correction_bias[4] = 100.0
    weights, routing = router(x)
    experts = routing.experts_NK
    assert (experts == 4).any(dim=1).all()
    scores = torch.sigmoid(F.linear(x[0], router.weight)).gather(1, experts)
    torch.testing.assert_close(weights, scores / scores.sum(1, keepdim=True) * model_config.routed_scaling)


def test_router_is_float32_under_bfloat16_autocast(model_config: ModelConfig) -> None:
    router = seeded(Router(model_config))
    x = torch.randn(1, 50, model_config.width, generator=torch.Generator().manual_seed(1))
    plain = router(x)
    with torch.autocast("cpu", torch.bfloat16):
        cast = router(x)
    assert torch.equal(plain[0], cast[0]) and torch.equal(plain[1].experts_NK, cast[1].experts_NK)


def test_update_bias_favours_the_underloaded_and_stays_centred() -> None:
    bias = torch.zeros(4)
    update_bias(bias, torch.tensor([10, 0, 4, 2]), gamma=0.1)
    torch.testing.assert_close(bias, torch.tensor([-0.1, 0.1, 0.0, 0.1]) - 0.025)


def test_balance_loss_is_one_when_even_and_grows_when_collapsed() -> None:
    even = torch.full((1, 6, 3), 0.5)
    assert sequence_balance_loss(even, torch.tensor([[2, 2, 2]])) == pytest.approx(1.0)
    skewed = torch.tensor([0.9, 0.05, 0.05]).expand(1, 6, 3)
    assert sequence_balance_loss(skewed, torch.tensor([[6, 0, 0]])) == pytest.approx(2.7)


def test_load_metrics_of_known_loads() -> None:
    metrics = load_metrics(torch.tensor([[5, 5, 5, 5], [20, 0, 0, 0]]))
    assert metrics == pytest.approx({"max_vio": 3.0, "load_entropy": 0.5, "dead_experts": 3})


def test_divergence_is_zero_for_equal_use_and_log_two_for_disjoint_use() -> None:
    equal = torch.tensor([[[2, 2], [4, 4]]])
    disjoint = torch.tensor([[[6, 0], [0, 6]]])
    torch.testing.assert_close(category_divergence(equal), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(category_divergence(disjoint), torch.full((2,), 2.0).log().double())
