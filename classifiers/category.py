"""Which of the 200 content categories a text belongs to (English and Chinese), and which shares they have of a crawl.

A softmax of a linear model on hashed features; ``models/category.md`` is its card.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classifiers.calibration import draw_shares, load_calibration, logit_factors, unmix
from classifiers.features import hash_texts
from classifiers.linear import load_linear, softmax
from classifiers.taxonomy import load_taxonomy

BEST = 5
UNSURE = 0.2  # of the best leaf's probability: below it, the leaf is wrong more often than right
INTERVAL = (5, 95)  # percentiles

Shares = NDArray[np.float64]


def probabilities(texts: Sequence[str]) -> NDArray[np.float32]:
    """float32 [n, 200]: calibrated probabilities in the order of ``load_taxonomy().leaves``; each row sums to 1."""
    hashed = hash_texts(texts)
    return softmax(load_linear("category").logits(hashed) * logit_factors(hashed, load_calibration().factor))


def classify(texts: Sequence[str]) -> list[list[tuple[str, float]]]:
    """The five most probable leaves of each text with their probabilities, best first."""
    leaves, scores = load_taxonomy().leaves, probabilities(texts)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :BEST]
    return [[(leaves[c], float(row[c])) for c in columns] for row, columns in zip(scores, best, strict=True)]


def unsure(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """bool [n]: which rows of ``probabilities`` name no leaf with confidence; their mass is still right in the mean."""
    return scores.max(axis=1) < UNSURE


def estimate_shares(mass: NDArray[np.floating], level: str = "kind") -> tuple[Shares, Shares, Shares]:
    """(share, low, high): what a collection consists of, corrected for what the model confuses, with an interval.

    ``mass`` [200] is the sum or the mean of ``probabilities`` over its documents, weighted by tokens or not. ``level``
    is ``kind`` or ``group``, in the order of the taxonomy, or ``category``: a leaf keeps its part of its group. The
    interval is meant to hold 90 % of true shares (``models/category.md`` says how often it did); it covers what is not
    known of the confusions, not the chance in which documents were collected.
    """
    taxonomy, calibration = load_taxonomy(), load_calibration()
    leaves = mass.astype(np.float64) / mass.sum()
    by_kind = level == "kind"
    parts, names = (taxonomy.kind, taxonomy.kinds) if by_kind else (taxonomy.group, taxonomy.groups)
    place = np.array([names.index(parts[leaf]) for leaf in taxonomy.leaves])
    confusions = (calibration.kinds if by_kind else calibration.groups).astype(np.float64)
    stated = np.bincount(place, weights=leaves, minlength=len(names)).astype(np.float64)
    best, interval = unmix(stated, confusions), np.percentile(draw_shares(stated, confusions), INTERVAL, axis=0)
    results = np.vstack([best, np.minimum(interval[0], best), np.maximum(interval[1], best)])
    if level == "category":
        results = results[:, place] * leaves / np.maximum(stated[place], 1e-12)
    share, low, high = results
    return share, low, high
