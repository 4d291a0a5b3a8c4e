"""Softmax regression on sparse texts, trained by stochastic gradient descent: one numba kernel a member.

The step of a feature's row is that of row-wise Adagrad (Duchi et al. 2011, with one accumulator a row). Features are
dropped at random in each visit, which keeps a few strong words from carrying a class alone (Wager et al. 2013,
https://arxiv.org/abs/1307.1493).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]
Rows = NDArray[np.int32]
Places = NDArray[np.int64]
NODE_FACTOR = np.float32(0.3)  # of a node's weights in the logits of its classes


@dataclass(frozen=True)
class Examples:
    """Training rows: CSR features, ``targets`` float32 [n, classes] that sum to 1 a row, and ``importance`` [n]."""

    indptr: Places
    rows: Rows
    weights: Vector
    targets: Matrix
    importance: Vector

    def __len__(self) -> int:
        return len(self.importance)


@dataclass(frozen=True)
class Schedule:
    """How a member is trained. ``rank`` 0 is a full matrix, otherwise the matrix is a product of that rank."""

    rank: int = 0
    epochs: int = 8
    rate: float = 0.5
    dropout: float = 0.45
    smoothing: float = 0.05
    seed: int = 0


def fit(examples: Examples, features: int, schedule: Schedule, nodes: Places | None = None) -> tuple[Matrix, Vector]:
    """(matrix float32 [features, classes], bias [classes]) of a softmax regression.

    ``nodes`` int64 [classes, levels]: the node of a tree that each class hangs from at each level, counted over all
    levels. A full matrix is learnt as the sum of a class's weights and its nodes', so that related classes learn from
    each other (None: none do).
    """
    classes = examples.targets.shape[1]
    nodes = np.zeros((classes, 0), np.int64) if nodes is None else nodes
    random = np.random.default_rng(schedule.seed)
    visits = np.concatenate([random.permutation(len(examples)) for _ in range(schedule.epochs)])
    targets = examples.targets * (1 - schedule.smoothing) + np.float32(schedule.smoothing / classes)
    arrays = (examples.indptr, examples.rows, examples.weights, targets.astype(np.float32), examples.importance, visits)
    options = (np.float32(schedule.rate), np.float32(schedule.dropout), schedule.seed)
    bias = np.zeros(classes, np.float32)
    if not schedule.rank:
        matrix = np.zeros((features, classes + (nodes.max(initial=-1) + 1)), np.float32)
        _fit_full(matrix, bias, nodes, *arrays, *options)
        return matrix[:, :classes] + NODE_FACTOR * matrix[:, classes + nodes].sum(axis=2, dtype=np.float32), bias
    table = random.normal(0, 1 / np.sqrt(schedule.rank), (features, schedule.rank)).astype(np.float32)
    head = np.zeros((schedule.rank, classes), np.float32)
    _fit_low_rank(table, head, bias, *arrays, *options)
    return table @ head, bias


@njit(cache=True, nogil=True, fastmath=True)
def _error(logits: Vector, target: Vector, importance: np.float32) -> Vector:
    """Gradient of the weighted cross-entropy with respect to the logits."""
    exponent = np.exp(logits - logits.max())
    return (exponent / exponent.sum() - target) * importance


@njit(cache=True, nogil=True, fastmath=True)
def _add(total: Vector, factor: np.float32, row: Vector) -> None:
    """total += factor * row, without a temporary array."""
    for c in range(len(total)):
        total[c] += factor * row[c]


@njit(cache=True, nogil=True, fastmath=True)
def _keep(indptr: Places, rows: Rows, weights: Vector, i: int, dropout: np.float32) -> tuple[Rows, Vector]:
    """The features of text i that survive dropout, their weights scaled to keep the expected sum."""
    kept_rows, kept_weights = rows[indptr[i] : indptr[i + 1]].copy(), weights[indptr[i] : indptr[i + 1]].copy()
    end = 0
    for k in range(len(kept_rows)):
        if np.random.random() >= dropout:
            kept_rows[end], kept_weights[end] = kept_rows[k], kept_weights[k] / (np.float32(1) - dropout)
            end += 1
    return kept_rows[:end], kept_weights[:end]


@njit(cache=True, nogil=True, fastmath=True)
def _fit_full(
    matrix: Matrix,
    bias: Vector,
    nodes: Places,
    indptr: Places,
    rows: Rows,
    weights: Vector,
    targets: Matrix,
    importance: Vector,
    visits: Places,
    rate: np.float32,
    dropout: np.float32,
    seed: int,
) -> None:
    """Train ``matrix`` and ``bias`` in place: one step for each text that ``visits`` names."""
    np.random.seed(seed)
    classes = len(bias)
    squares = np.full(len(matrix), np.float32(1e-6))
    bias_square = np.float32(1e-6)
    for visit in range(len(visits)):
        i = visits[visit]
        step = rate * np.float32(1 - visit / len(visits))
        kept, weight = _keep(indptr, rows, weights, i, dropout)
        total = np.zeros(matrix.shape[1], np.float32)
        for k in range(len(kept)):
            _add(total, weight[k], matrix[kept[k]])
        logits = bias + total[:classes]
        for c in range(classes):
            for node in nodes[c]:
                logits[c] += NODE_FACTOR * total[classes + node]
        own_error = _error(logits, targets[i], importance[i])
        energy = (own_error * own_error).sum()
        bias_square += energy
        _add(bias, np.float32(-0.1) * step / np.sqrt(bias_square), own_error)
        error = np.zeros(matrix.shape[1], np.float32)  # of the classes, then of the nodes
        error[:classes] = own_error
        for c in range(classes):
            for node in nodes[c]:
                error[classes + node] += NODE_FACTOR * own_error[c]
        for k in range(len(kept)):
            r = kept[k]
            squares[r] += weight[k] * weight[k] * energy
            _add(matrix[r], -step * weight[k] / np.sqrt(squares[r]), error)


@njit(cache=True, nogil=True, fastmath=True)
def _fit_low_rank(
    table: Matrix,
    head: Matrix,
    bias: Vector,
    indptr: Places,
    rows: Rows,
    weights: Vector,
    targets: Matrix,
    importance: Vector,
    visits: Places,
    rate: np.float32,
    dropout: np.float32,
    seed: int,
) -> None:
    """Train ``table``, ``head`` and ``bias`` in place; the product of the first two is the member's matrix."""
    np.random.seed(seed)
    squares = np.full(len(table), np.float32(1e-6))
    head_squares = np.full(len(head), np.float32(1e-6))
    bias_square = np.float32(1e-6)
    for visit in range(len(visits)):
        i = visits[visit]
        step = rate * np.float32(1 - visit / len(visits))
        kept, weight = _keep(indptr, rows, weights, i, dropout)
        hidden = np.zeros(table.shape[1], np.float32)
        for k in range(len(kept)):
            _add(hidden, weight[k], table[kept[k]])
        logits = bias.copy()
        for d in range(len(hidden)):
            _add(logits, hidden[d], head[d])
        error = _error(logits, targets[i], importance[i])
        energy = (error * error).sum()
        bias_square += energy
        _add(bias, np.float32(-0.1) * step / np.sqrt(bias_square), error)
        back = np.zeros(len(hidden), np.float32)
        for d in range(len(hidden)):
            back[d] = (head[d] * error).sum()
            head_squares[d] += hidden[d] * hidden[d] * energy
            _add(head[d], -step * hidden[d] / np.sqrt(head_squares[d]), error)
        back_energy = (back * back).sum()
        for k in range(len(kept)):
            r = kept[k]
            squares[r] += weight[k] * weight[k] * back_energy
            _add(table[r], -step * weight[k] / np.sqrt(squares[r]), back)
