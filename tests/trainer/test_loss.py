"""The chunked loss against PyTorch's own on the full matrix of logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from trainer.loss import CHUNK, IGNORE, cross_entropy


def test_loss_and_gradients_equal_the_unchunked_ones() -> None:
    """More than one chunk, a last one that is not full, and targets that are ignored."""
    generator = torch.Generator().manual_seed(0)
    tokens = CHUNK + 37
    hidden = torch.randn(tokens, 16, generator=generator, requires_grad=True)
    head = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(50, (tokens,), generator=generator)
    targets[::5] = IGNORE
    total, each = cross_entropy(hidden, head, targets)
    wanted = F.cross_entropy(hidden @ head.T, targets, ignore_index=IGNORE, reduction="none")
    torch.testing.assert_close(each, wanted)
    assert (each[::5] == 0).all()
    got = torch.autograd.grad(total / 7, (hidden, head))
    for one, two in zip(got, torch.autograd.grad(wanted.sum() / 7, (hidden, head)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_without_gradients_only_the_loss_is_computed() -> None:
    with torch.no_grad():
        total, each = cross_entropy(torch.ones(3, 8), torch.zeros(4, 8), torch.tensor([0, 1, IGNORE]))
    torch.testing.assert_close(total, 2 * torch.tensor(4.0).log())
    assert each.shape == (3,)
