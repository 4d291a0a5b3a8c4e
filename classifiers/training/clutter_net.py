"""The clutter model's net in torch: the same layers as pipeline.extraction.model, to be trained.

Pages of a batch stand one after another in one matrix, with rows of zeros between them, so that no convolution reaches
from one page into the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.extraction.features import LEVELS
from pipeline.extraction.model import POOLS, TAPS, Net

HIDDEN: Final = 64
CHANNELS: Final = 24
POOLED: Final = 8
MIXED: Final = 40
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
    def joined(parts: list[NDArray[np.generic]]) -> Tensor:
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


class ClutterNet(nn.Module):
    """Logits of being main text; see pipeline.extraction.model for what the layers are for."""

    def __init__(self, low: NDArray[np.float32], high: NDArray[np.float32], dropout: float) -> None:
        super().__init__()
        self.register_buffer("low", torch.from_numpy(low))
        self.register_buffer("high", torch.from_numpy(high))
        self.block = nn.Linear(len(low), HIDDEN)
        self.narrow = nn.Linear(HIDDEN, CHANNELS)
        self.along = nn.ModuleList(nn.Conv1d(CHANNELS, CHANNELS, TAPS, padding=step, dilation=step) for step in STEPS)
        self.pooled = nn.Linear(HIDDEN + CHANNELS, POOLED)
        self.mixed = nn.Linear(HIDDEN + CHANNELS + POOLS * POOLED, MIXED)
        self.score = nn.Linear(MIXED, 1)
        self.early = nn.Linear(HIDDEN + CHANNELS, 1)  # a second score, in training only: what is known without pools
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        present = batch.present[:, None]
        middle, spread = (self.low + self.high) / 2, (self.high - self.low) / (2 * _FARTHEST)
        rows = (torch.clamp(batch.rows, self.low, self.high) - middle) / spread
        hidden = self.dropout(functional.relu(self.block(rows))) * present
        along = functional.relu(self.narrow(hidden)) * present
        for convolution in self.along:
            along = along + functional.relu(convolution(along.T[None])[0].T) * present
        both = torch.cat([hidden, self.dropout(along)], 1)
        summaries = torch.clamp(self.pooled(both), -1, 1) * present
        pools = self._pools(summaries, batch)
        mixed = functional.relu(self.mixed(torch.cat([both, *pools], 1)))
        return self.score(self.dropout(mixed))[:, 0], self.early(both)[:, 0]

    def _pools(self, summaries: Tensor, batch: Batch) -> list[Tensor]:
        weighed = torch.cat([summaries, torch.ones_like(summaries[:, :1])], 1) * batch.pooling[:, None]
        sums = functional.pad(torch.cumsum(weighed.double(), 0), (0, 0, 1, 0))
        totals = [(sums[batch.spans[:, level, 1]] - sums[batch.spans[:, level, 0]]).float() for level in range(LEVELS)]
        for numbers in (batch.groups, batch.pages):
            of_number = weighed.new_zeros(int(numbers.max()) + 1, weighed.shape[1]).index_add_(0, numbers, weighed)
            totals.append(of_number[numbers])
        return [total[:, :-1] / total[:, -1:].clamp(min=1e-3) for total in totals]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The weights as pipeline.extraction.model reads them, scaling of the features folded in."""
        middle, spread = (self.low + self.high) / 2, (self.high - self.low) / (2 * _FARTHEST)
        with torch.no_grad():
            block = self.block.weight / spread
            found = {"low": self.low, "high": self.high, "block": block.T}
            found["block_bias"] = self.block.bias - block @ middle
            for name in ("narrow", "pooled", "mixed", "score"):
                layer = getattr(self, name)
                found[name], found[f"{name}_bias"] = layer.weight.T, layer.bias
            found["along"] = torch.stack([layer.weight.permute(2, 1, 0) for layer in self.along])
            found["along_bias"] = torch.stack([layer.bias for layer in self.along])
        arrays: dict[str, NDArray[np.generic]] = {name: value.detach().numpy().copy() for name, value in found.items()}
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

    def of_page(values: Tensor) -> Tensor:
        return torch.zeros(count).index_add_(0, batch.pages, values)

    def entropy(values: Tensor) -> Tensor:
        each = functional.binary_cross_entropy_with_logits(values, batch.labels, reduction="none")
        return (each * batch.importance).sum() / count

    expected = torch.sigmoid(logits) * batch.tokens
    found = of_page(expected * batch.labels)
    f1 = 2 * found / (of_page(expected) + of_page(batch.labels * batch.tokens)).clamp(min=1)
    return entropy(logits) + _EARLY * entropy(early) + _F1 * (1 - f1).mean()


_EARLY: Final = 0.3
_F1: Final = 1.0


@dataclass(frozen=True)
class Schedule:
    epochs: int = 16
    pages: int = 8  # of a batch
    rate: float = 2e-3
    decay: float = 1e-4
    dropout: float = 0.1


def train(examples: Sequence[Example], seed: int, schedule: Schedule | None = None) -> ClutterNet:
    """A net trained on pages, in one thread so that it is the same each time."""
    schedule = schedule or Schedule()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    shuffle = np.random.default_rng(seed)
    net = ClutterNet(*bounds(examples), schedule.dropout)
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
