"""The decoder: what a token may see, sizes of the presets, precision and recomputation."""

from __future__ import annotations

import pytest
import torch

from trainer.config import ModelConfig, load_config
from trainer.model import Transformer, count_parameters


@pytest.fixture
def model(model_config: ModelConfig) -> Transformer:
    model = Transformer(model_config)
    model.initialise(seed=3)
    return model


def packed() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, positions and documents of one sequence that holds documents of 7, 1 and 12 tokens."""
    lengths = [7, 1, 12]
    tokens = torch.randint(384, (1, sum(lengths)), generator=torch.Generator().manual_seed(0))
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    documents = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))[None]
    return tokens, positions, documents


def test_packed_documents_are_computed_as_if_alone(model: Transformer) -> None:
    """Attention across documents, or positions that run on, would change later documents."""
    tokens, positions, documents = packed()
    together, _ = model(tokens, positions, documents)
    for start, stop in ((0, 7), (7, 8), (8, 20)):
        alone, _ = model(tokens[:, start:stop], positions[:, start:stop])
        torch.testing.assert_close(together[:, start:stop], alone, rtol=1e-4, atol=1e-5)


def test_a_token_does_not_see_later_ones(model: Transformer) -> None:
    tokens, positions, documents = packed()
    before, _ = model(tokens, positions, documents)
    tokens[0, -1] += 1
    after, _ = model(tokens % 384, positions, documents)
    assert torch.equal(before[:, :-1], after[:, :-1]) and not torch.equal(before[:, -1], after[:, -1])


def test_recomputation_changes_neither_gradients_nor_counts(model: Transformer, model_config: ModelConfig) -> None:
    """Counts kept inside a recomputed layer would double."""
    other = Transformer(model_config, recompute=True)
    other.load_state_dict(model.state_dict())
    results = []
    for network in (model, other):
        hidden, routings = network.train()(*packed())
        hidden.square().sum().backward()
        results.append((routings, [parameter.grad for parameter in network.parameters()]))
    for one, two in zip(results[0][0], results[1][0], strict=True):
        assert torch.equal(one.counts_E, two.counts_E) and one.counts_E.sum() == 20 * 2
    for one, two in zip(results[0][1], results[1][1], strict=True):
        assert (one is None and two is None) or torch.equal(one, two)


def test_bfloat16_stays_close_to_float32(model: Transformer) -> None:
    plain, _ = model(*packed())
    with torch.autocast("cpu", torch.bfloat16):
        cast, _ = model(*packed())
    assert cast.dtype == torch.float32  # the residual stream
    similarity = torch.nn.functional.cosine_similarity(plain, cast, dim=-1)
    assert similarity.median() > 0.99


def test_initialisation_depends_on_the_seed_only(model_config: ModelConfig) -> None:
    first, second, third = (Transformer(model_config) for _ in range(3))
    for model, seed in ((first, 1), (second, 1), (third, 2)):
        torch.rand(7)
        model.initialise(seed)
    assert torch.equal(first.lm_head.weight, second.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, third.lm_head.weight)
    assert float(first.lm_head.weight.detach().std()) == pytest.approx(model_config.init_std, rel=0.05)


def test_published_sizes() -> None:
    """dots.llm1 has 142.77B parameters, 14.02B active; a missing or doubled part of the network shows here."""
    assert count_parameters(load_config("dots1").model) == pytest.approx((142.77e9, 14.02e9), rel=5e-4)
    assert count_parameters(load_config("slice").model)[0] == pytest.approx(6.08e9, rel=1e-3)


def test_debug_preset_is_small() -> None:
    total, _ = count_parameters(load_config("debug", ["model.vocabulary=4096"]).model)
    assert 1e6 < total < 3e6
