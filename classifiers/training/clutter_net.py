"""The clutter model's net in torch: the same layers as pipeline.extraction.model, to be trained.

Pages of a batch stand one after another in one matrix, with rows of zeros between them, so that no convolution reaches
from one page into the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.extraction.features import LEVELS
from pipeline.extraction.model import POOLS, TAPS, Net

MEMBERS: Final = 2  # small nets side by side, whose scores are averaged
HIDDEN: Final = 16
CHANNELS: Final = 8
POOLED: Final = 4
MIXED: Final = 12
STEPS: Final = (1, 2, 4)  # how far apart the blocks are that each convolution looks at
_MARGIN: Final = max(STEPS)  # rows of zeros after each page
_FARTHEST: Final = 5.0  # standard deviations from the mean that a feature is cut off at
_SMALLEST_DEVIATION: Final = 0.05


@dataclass(frozen=True)
class Example:
    """One page: features and containers of its blocks, their groups, pooling weights, labels, tokens and weight in
    the loss (0 where the label is not known)."""

    rows: NDArray[np.float32]
    spans: NDArray[np.int32]
    groups: NDArray[np.int32]
    pooling: NDArray[np.float32]
    labels: NDArray[np.float32]
    tokens: NDArray[np.float32]
    importance: NDArray[np.float32]


class Batch(NamedTuple):
    rows: Tensor
    spans: Tensor
    groups: Tensor
    pooling: Tensor
    labels: Tensor
    tokens: Tensor
    importance: Tensor
    pages: Tensor  # the number of the page that each row is of
    present: Tensor  # 0 for the rows between pages


def batch_of(examples: Sequence[Example]) -> Batch:
    def joined(parts: Sequence[NDArray[Any]]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts))

    def padded(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([values, np.zeros((_MARGIN, *values.shape[1:]), np.float32)])

    starts = np.cumsum([0] + [len(example.rows) + _MARGIN for example in examples])
    first_group = np.cumsum([0] + [int(example.groups.max(initial=-1)) + 1 for example in examples])
    spans, groups, pages, present = [], [], [], []
    for number, example in enumerate(examples):
        rest = np.full((_MARGIN, *example.spans.shape[1:]), starts[number], np.int64)
        spans.append(np.concatenate([example.spans.astype(np.int64) + starts[number], rest]))
        rest = np.full(_MARGIN, first_group[number], np.int64)
        groups.append(np.concatenate([example.groups.astype(np.int64) + first_group[number], rest]))
        pages.append(np.full(len(example.rows) + _MARGIN, number))
        present.append(padded(np.ones(len(example.rows), np.float32)))
    return Batch(
        joined([padded(example.rows) for example in examples]),
        joined(spans),
        joined(groups),
        joined([padded(example.pooling) for example in examples]),
        joined([padded(example.labels) for example in examples]),
        joined([padded(example.tokens) for example in examples]),
        joined([padded(example.importance) for example in examples]),
        joined(pages),
        joined(present),
    )


@dataclass(frozen=True)
class Schedule:
    epochs: int = 32
    pages: int = 8  # of a batch
    rate: float = 2e-3
    decay: float = 5e-2
    dropout: float = 0.1  # of hidden units
    blank: float = 0.2  # of features, set to their mean


class Members(nn.Module):
    """A linear layer for each member: (rows, members, inputs) to (rows, members, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        layers = [nn.Linear(inputs, outputs) for _ in range(MEMBERS)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, values: Tensor) -> Tensor:
        return torch.baddbmm(self.bias[:, None], values.transpose(0, 1), self.weight).transpose(0, 1)


class ClutterNet(nn.Module):
    """Logits of being main text, by each member; see pipeline.extraction.model for what the layers are for."""

    low: Tensor
    high: Tensor

    def __init__(self, low: NDArray[np.float32], high: NDArray[np.float32], schedule: Schedule) -> None:
        super().__init__()
        self.register_buffer("low", torch.from_numpy(low))
        self.register_buffer("high", torch.from_numpy(high))
        self.block = Members(len(low), HIDDEN)
        self.narrow = Members(HIDDEN, CHANNELS)
        width = MEMBERS * CHANNELS
        self.along = nn.ModuleList(
            nn.Conv1d(width, width, TAPS, padding=step, dilation=step, groups=MEMBERS) for step in STEPS
        )
        self.pooled = Members(HIDDEN + CHANNELS, POOLED)
        self.mixed = Members(HIDDEN + CHANNELS + POOLS * POOLED, MIXED)
        self.score = Members(MIXED, 1)
        self.early = Members(HIDDEN + CHANNELS, 1)  # a second score, in training only: what is known without pools
        self.blank = nn.Dropout(schedule.blank)
        self.dropout = nn.Dropout(schedule.dropout)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        present = batch.present[:, None, None]
        middle, spread = self._scale()
        rows = (torch.clamp(batch.rows, self.low, self.high) - middle) / spread
        rows = self.blank(rows[:, None].expand(-1, MEMBERS, -1))
        hidden = self.dropout(functional.relu(self.block(rows))) * present
        along = functional.relu(self.narrow(hidden)) * present
        for convolution in self.along:
            found = convolution(along.reshape(len(rows), -1).T[None])[0].T.reshape(along.shape)
            along = along + functional.relu(found) * present
        both = torch.cat([hidden, self.dropout(along)], 2)
        summaries = torch.clamp(self.pooled(both), -1, 1) * present
        mixed = functional.relu(self.mixed(torch.cat([both, *self._pools(summaries, batch)], 2)))
        return self.score(self.dropout(mixed))[..., 0], self.early(both)[..., 0]

    def _scale(self) -> tuple[Tensor, Tensor]:
        return (self.low + self.high) / 2, (self.high - self.low) / (2 * _FARTHEST)

    def _pools(self, summaries: Tensor, batch: Batch) -> list[Tensor]:
        """Means of the summaries over containers, group and page."""
        flat = summaries.reshape(len(summaries), -1)
        weighed = torch.cat([flat, torch.ones_like(flat[:, :1])], 1) * batch.pooling[:, None]
        sums = functional.pad(torch.cumsum(weighed.double(), 0), (0, 0, 1, 0))
        totals = [(sums[batch.spans[:, level, 1]] - sums[batch.spans[:, level, 0]]).float() for level in range(LEVELS)]
        for numbers in (batch.groups, batch.pages):
            of_number = weighed.new_zeros(int(numbers.max()) + 1, weighed.shape[1]).index_add_(0, numbers, weighed)
            totals.append(of_number[numbers])
        return [(total[:, :-1] / total[:, -1:].clamp(min=1e-3)).reshape(summaries.shape) for total in totals]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The weights as pipeline.extraction.model reads them, scaling of the features folded in."""
        middle, spread = self._scale()
        block = self.block.weight / spread[:, None]
        found = {"low": self.low, "high": self.high, "block": block.transpose(0, 1).flatten(1)}
        found["block_bias"] = (self.block.bias - torch.einsum("f,mfh->mh", middle, block)).flatten()
        for name, layer in (("narrow", self.narrow), ("pooled", self.pooled), ("mixed", self.mixed)):
            found[name], found[f"{name}_bias"] = layer.weight, layer.bias
        found["score"], found["score_bias"] = _SURENESS * self.score.weight[..., 0], _SURENESS * self.score.bias[..., 0]
        shape = (len(STEPS), MEMBERS, CHANNELS, CHANNELS, TAPS)
        weights = torch.stack([layer.weight for layer in self.along]).reshape(shape)  # type: ignore[misc]
        biases = torch.stack([layer.bias for layer in self.along]).reshape(shape[:3])  # type: ignore[misc]
        found["along"], found["along_bias"] = weights.permute(1, 0, 4, 3, 2), biases.permute(1, 0, 2)
        arrays: dict[str, NDArray[np.generic]] = {name: value.detach().numpy() for name, value in found.items()}
        arrays["steps"] = np.array(STEPS, np.int64)
        return {name: np.ascontiguousarray(arrays[name]) for name in Net._fields}


def bounds(examples: Sequence[Example]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each feature is cut off, from the first blocks of all pages."""
    rows = np.concatenate([example.rows[:400] for example in examples])
    mean, deviation = rows.mean(0), np.maximum(rows.std(0), _SMALLEST_DEVIATION)
    return mean - _FARTHEST * deviation, mean + _FARTHEST * deviation


def loss(batch: Batch, logits: Tensor, early: Tensor) -> Tensor:
    """Cross-entropy, each page weighing the same, and one less the expected F1 of a page, on which it is judged."""
    count = int(batch.pages.max()) + 1

    labels, tokens = batch.labels[:, None].expand_as(logits), batch.tokens[:, None]

    def of_page(values: Tensor) -> Tensor:
        return torch.zeros(count, values.shape[1]).index_add_(0, batch.pages, values)

    def entropy(values: Tensor) -> Tensor:
        each = functional.binary_cross_entropy_with_logits(values, labels, reduction="none")
        return (each * batch.importance[:, None]).sum() / (count * MEMBERS)

    expected = torch.sigmoid(logits) * tokens
    found = of_page(expected * labels)
    f1 = 2 * found / (of_page(expected) + of_page(labels * tokens)).clamp(min=1)
    return entropy(logits) + _EARLY * entropy(early) + _F1 * (1 - f1).mean()


_EARLY: Final = 0.3
_F1: Final = 1.0
_SURENESS: Final = 0.65  # a net that is trained for F1 is surer than right; the choice of blocks takes it at its word


def train(examples: Sequence[Example], seed: int, schedule: Schedule | None = None) -> ClutterNet:
    """A net trained on pages, in one thread so that it is the same each time."""
    schedule = schedule or Schedule()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    shuffle = np.random.default_rng(seed)
    net = ClutterNet(*bounds(examples), schedule)
    optimizer = torch.optim.AdamW(net.parameters(), lr=schedule.rate, weight_decay=schedule.decay)
    steps = schedule.epochs * -(-len(examples) // schedule.pages)
    course = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.rate, total_steps=steps, pct_start=0.1)
    net.train()
    for _ in range(schedule.epochs):
        order = shuffle.permutation(len(examples))
        for start in range(0, len(order), schedule.pages):
            batch = batch_of([examples[number] for number in order[start : start + schedule.pages]])
            optimizer.zero_grad()
            loss(batch, *net(batch)).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            course.step()
    return net.eval()
