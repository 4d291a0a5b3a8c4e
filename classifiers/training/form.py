"""Train the web-type and the quality model: logistic regression on words, the shape of the text and facts of the page.

Each page is learnt twice, with its facts and without, so that one model serves both; pages of one site and class count
less each. Judged by folds of whole sites.
The web-type model also learns, with less weight, from pages whose type follows from their leaf or their collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from classifiers.features import Vocabulary, hash_with
from classifiers.linear import LinearModel, softmax
from classifiers.model_file import write_model
from classifiers.training.category import best_temperature, sparse
from classifiers.training.data import FOLDS, Page, folds_of
from classifiers.webtype import TYPES, form_inputs

INPUT_FACTOR = np.float32(0.3)  # of the standardised inputs beside the words, whose rows have norm 1
STRENGTH = 5.0  # inverse of the L2 penalty
INFERRED = 0.2  # weight of a page whose web type was not read

TYPE_OF_PAGE_TYPE = {
    "article": "article",
    "forum": "forum",
    "product": "product",
    "service": "product",
    "collection": "listing",
    "listing": "listing",
    "documentation": "reference",
}
TYPE_OF_LEAF = {
    "adult_sexual": "adult",
    "gambling": "adult",
    "error_pages": "error",
    "navigation_boilerplate": "tool",
    "directory_listings": "listing",
    "forum_discussions": "forum",
    "question_answer": "qa",
    "faq_help_center": "qa",
    "classifieds_deals": "product",
    "healthcare_providers": "product",
    "job_ads": "product",
    "local_services": "product",
    "real_estate_listings": "product",
}


@dataclass(frozen=True)
class Unseen:
    """Probabilities [n, classes] of pages by a model that did not see their site, with facts and without."""

    with_facts: NDArray[np.float32]
    without: NDArray[np.float32]


def train_webtype(pages: list[Page], vocabulary: Vocabulary, folder: Path) -> Unseen:
    """Write the web-type model; the result is of the pages whose type was read."""
    types = [page.kind or TYPE_OF_PAGE_TYPE.get(page.page_type) or TYPE_OF_LEAF.get(page.leaf) for page in pages]
    known = [page for page, kind in zip(pages, types, strict=True) if kind]
    classes = np.array([TYPES.index(kind) for kind in types if kind])
    return _train("webtype", known, classes, len(TYPES), vocabulary, folder)


def train_quality(pages: list[Page], vocabulary: Vocabulary, folder: Path) -> Unseen:
    """Write the quality model, learnt from the pages whose quality was read; class 1 is a quality of 2 or 3."""
    known = [page for page in pages if page.quality is not None]
    classes = np.array([int((page.quality or 0) >= 2) for page in known])
    return _train("quality", known, classes, 2, vocabulary, folder)


def _train(
    name: str, pages: list[Page], classes: NDArray[np.int64], count: int, vocabulary: Vocabulary, folder: Path
) -> Unseen:
    texts, folds = [page.text for page in pages], folds_of(pages)
    was_read = np.array([bool(page.kind) for page in pages])
    of_site = Counter((page.site, number) for page, number in zip(pages, classes.tolist(), strict=True))
    site_size = np.array([of_site[page.site, number] for page, number in zip(pages, classes.tolist(), strict=True)])
    importance = np.where(was_read, 1.0, INFERRED) * site_size**-0.5
    importance /= importance.mean()
    words = sparse(hash_with(texts, vocabulary), len(vocabulary.idf))
    raw = (form_inputs(texts, [page.facts for page in pages]), form_inputs(texts))
    mean, spread = np.vstack(raw).mean(axis=0), np.vstack(raw).std(axis=0) + np.float32(1e-6)
    rows = [scipy.sparse.hstack([words, (part - mean) / spread * INPUT_FACTOR], format="csr") for part in raw]
    unseen = [np.zeros((len(pages), count), np.float32) for _ in raw]
    for fold in range(FOLDS):
        held = folds == fold
        matrix, bias = _fit([part[~held] for part in rows], classes[~held], importance[~held], count)
        for part, logits in zip(rows, unseen, strict=True):
            logits[held] = part[held] @ matrix + bias
    unseen = [logits[was_read] for logits in unseen]
    temperature = best_temperature(np.vstack(unseen), np.eye(count, dtype=np.float32)[np.tile(classes[was_read], 2)])
    matrix, bias = (temperature * part for part in _fit(rows, classes, importance, count))
    if count == 2:
        matrix, bias = matrix[:, 1:] - matrix[:, :1], bias[1:] - bias[:1]
    dense = matrix[len(vocabulary.idf) :] / spread[:, None] * INPUT_FACTOR
    model = LinearModel.quantised(matrix[: len(vocabulary.idf)], bias - mean @ dense, dense)
    write_model(name, model.arrays(), folder)
    return Unseen(*(softmax(logits * temperature) for logits in unseen))


def _fit(
    rows: Sequence[scipy.sparse.csr_matrix], classes: NDArray[np.int64], importance: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(matrix [features, count], bias [count]); a class without examples gets a bias that keeps it out."""
    model = LogisticRegression(C=STRENGTH, max_iter=1000)
    model.fit(scipy.sparse.vstack(rows), np.tile(classes, len(rows)), np.tile(importance, len(rows)))
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn gives the second class of two alone
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.append(-intercepts, intercepts) / 2
    matrix, bias = np.zeros((rows[0].shape[1], count), np.float32), np.full(count, -20, np.float32)
    matrix[:, model.classes_], bias[model.classes_] = coefficients.T, intercepts
    return matrix, bias
