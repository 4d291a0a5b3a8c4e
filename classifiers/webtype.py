"""What kind of page a text comes from: an article, a listing, a product page …

A softmax of a linear model on hashed words, the shape of the text and, where given, facts of the page;
``models/webtype.md`` is its card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.facts import measure_facts
from classifiers.features import hash_texts
from classifiers.linear import load_linear, softmax
from classifiers.shape import measure_shape

TYPES = ("article", "reference", "forum", "qa", "product", "listing", "media", "tool", "error", "adult", "other")

Facts = Sequence[Mapping[str, Any]]


def form_inputs(texts: Sequence[str], facts: Facts | None = None) -> NDArray[np.float32]:
    """float32 [n, len(SHAPES) + len(FACTS)]: the inputs beside the words, for this model and the quality model."""
    return np.hstack([measure_shape(texts), measure_facts(texts, facts)])


def probabilities(texts: Sequence[str], facts: Facts | None = None) -> NDArray[np.float32]:
    """float32 [n, 11]: calibrated probabilities in the order of ``TYPES``.

    ``facts`` holds for each text what ``pipeline.extraction.page_facts`` tells of its page, and the page's ``url``.
    """
    return softmax(load_linear("webtype").logits(hash_texts(texts), form_inputs(texts, facts)))


def web_type(texts: Sequence[str], facts: Facts | None = None) -> list[tuple[str, float]]:
    """The most probable type of each text's page, and its probability."""
    scores = probabilities(texts, facts)
    best = scores.argmax(axis=1)
    return [(TYPES[kind], float(row[kind])) for kind, row in zip(best, scores, strict=True)]
