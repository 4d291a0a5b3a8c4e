"""Linear models on hashed features: one int8 matrix with a scale a row, a bias for each language, dense inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from classifiers.features import HashedTexts
from classifiers.model_file import read_model


@dataclass(frozen=True)
class LinearModel:
    """``matrix`` int8 [features, classes] times ``scale`` float32 [features]; ``bias`` float32 [2, classes] for other
    and for Chinese texts; ``dense`` float32 [inputs, classes] for the inputs that are not hashed (0 rows: none).

    Calibration (temperature, prior) is part of these numbers, so that a softmax of the logits gives probabilities.
    """

    matrix: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    dense: NDArray[np.float32]

    @classmethod
    def quantised(
        cls, matrix: NDArray[np.float32], bias: NDArray[np.float32], dense: NDArray[np.float32] | None = None
    ) -> LinearModel:
        """A model with each row of ``matrix`` rounded to 8 bits; ``bias`` [classes] or [2, classes]."""
        scale = np.maximum(np.abs(matrix).max(axis=1), np.float32(1e-12)) / np.float32(127)
        classes = matrix.shape[1]
        return cls(
            matrix=np.rint(matrix / scale[:, None]).astype(np.int8),
            scale=scale.astype(np.float32),
            bias=np.broadcast_to(bias, (2, classes)).astype(np.float32),
            dense=(np.zeros((0, classes)) if dense is None else dense).astype(np.float32),
        )

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """What a model file holds."""
        return {"matrix": self.matrix, "scale": self.scale, "bias": self.bias, "dense": self.dense}

    def logits(self, texts: HashedTexts, inputs: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """float32 [n, classes]; ``inputs`` float32 [n, inputs] go to the dense part."""
        out = self.bias[texts.chinese.astype(np.int64)]
        _accumulate(texts.indptr, texts.rows, texts.weights, self.matrix, self.scale, out)
        return out if inputs is None else out + inputs @ self.dense


@cache
def load_linear(name: str) -> LinearModel:
    """A model that ships with crawlmix. Raises UserError where its file is damaged."""
    return LinearModel(**read_model(name))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of each row of ``logits``."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


@njit(cache=True, nogil=True, fastmath=True)
def _accumulate(
    indptr: NDArray[np.int64],
    rows: NDArray[np.int32],
    weights: NDArray[np.float32],
    matrix: NDArray[np.int8],
    scale: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Add the sum of each text's weighted rows to its row of ``out``."""
    classes = matrix.shape[1]
    for i in range(len(indptr) - 1):
        total = np.zeros(classes, np.float32)
        for k in range(indptr[i], indptr[i + 1]):
            weight = weights[k] * scale[rows[k]]
            for c in range(classes):
                total[c] += weight * matrix[rows[k], c]
        out[i] += total
