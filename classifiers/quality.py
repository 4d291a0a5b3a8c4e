"""Whether a person who builds a training set would want a text: its form and information, not its topic.

A logistic regression on hashed words, the shape of the text and, where given, facts of the page;
``models/quality.md`` is its card.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifiers.features import hash_texts
from classifiers.linear import load_linear
from classifiers.webtype import Facts, form_inputs


def good_probability(texts: Sequence[str], facts: Facts | None = None) -> list[float]:
    """The calibrated probability of each text that a reader would rate it 2 or 3 of 3 (``facts`` as for web types)."""
    logits = load_linear("quality").logits(hash_texts(texts), form_inputs(texts, facts))[:, 0]
    return (1 / (1 + np.exp(-logits.astype(np.float64)))).tolist()
