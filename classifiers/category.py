"""Which of the 200 content categories a text belongs to (English and Chinese).

A softmax of a linear model on hashed features; ``models/category.md`` is its card.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classifiers.features import hash_texts
from classifiers.linear import load_linear, softmax
from classifiers.taxonomy import load_taxonomy

BEST = 5


def probabilities(texts: Sequence[str]) -> NDArray[np.float32]:
    """float32 [n, 200]: calibrated probabilities in the order of ``load_taxonomy().leaves``; each row sums to 1."""
    return softmax(load_linear("category").logits(hash_texts(texts)))


def classify(texts: Sequence[str]) -> list[list[tuple[str, float]]]:
    """The five most probable leaves of each text with their probabilities, best first."""
    leaves, scores = load_taxonomy().leaves, probabilities(texts)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :BEST]
    return [[(leaves[c], float(row[c])) for c in columns] for row, columns in zip(scores, best, strict=True)]
