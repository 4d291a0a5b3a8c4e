"""Train the category model: softmax members of different capacity, summed into one matrix, and calibrated.

Pages labelled by reading count most; corpora are capped by leaf and source, so that they teach what the pages lack and
do not drown them; lists of words stand in for leaves without Chinese texts. Judged by folds of whole sites.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from classifiers.features import HashedTexts, Vocabulary, hash_with
from classifiers.linear import LinearModel, softmax
from classifiers.model_file import write_model
from classifiers.taxonomy import load_taxonomy
from classifiers.training.data import FOLDS, Document, Page, folds_of, leaf_numbers, load_words
from classifiers.training.softmax import Examples, Schedule, fit
from classifiers.training.vocabulary import capped

PAGE_IMPORTANCE = 4.0  # of a page; a document's is 1 in the mean
PAGE_VISITS = 3  # in each epoch; the importance is divided among them
SECOND_SHARE = {3: 0.1, 2: 0.25, 1: 0.35}  # of a page's target that its second leaf gets, by how sure the reader was
CAP = 30  # documents of a leaf and source
MEMBERS = (  # (factor in the sum, schedule)
    (1.0, Schedule(rank=0, rate=1.0, epochs=8, seed=1)),
    (0.6, Schedule(rank=128, rate=1.0, epochs=5, seed=2)),
)


@dataclass(frozen=True)
class Source:
    """Texts of one sort in the vocabulary's rows, with the classes and importance that they are trained with."""

    features: scipy.sparse.csr_matrix
    targets: NDArray[np.float32]
    importance: NDArray[np.float32]


def train(pages: list[Page], corpus: list[Document], vocabulary: Vocabulary, folder: Path) -> NDArray[np.float32]:
    """Write the model into ``folder``; returns each page's probabilities by a model that did not see its site."""
    page_source = _page_source(pages, vocabulary)
    documents = _document_source(capped(corpus, CAP) + load_words(), vocabulary)
    folds, unseen = folds_of(pages), np.zeros((len(pages), len(load_taxonomy().leaves)), np.float32)
    for fold in range(FOLDS):
        matrix, bias = _fit_members(_select(page_source, folds != fold), documents)
        unseen[folds == fold] = page_source.features[folds == fold] @ matrix + bias
    temperature = best_temperature(unseen, page_source.targets)
    matrix, bias = _fit_members(page_source, documents)
    model = LinearModel.quantised(matrix * temperature, bias * temperature)
    write_model("category", model.arrays(), folder)
    return softmax(unseen * temperature)


def best_temperature(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> np.float32:
    """The factor on ``logits`` with the least cross-entropy (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    losses = {}
    for factor in np.geomspace(0.2, 5, 80).astype(np.float32):
        losses[factor] = -(targets * np.log(softmax(logits * factor) + 1e-12)).sum(axis=1).mean()
    return min(losses, key=losses.__getitem__)


def sparse(hashed: HashedTexts, features: int) -> scipy.sparse.csr_matrix:
    """Hashed texts as a scipy matrix [n, features]."""
    shape = (len(hashed.indptr) - 1, features)
    return scipy.sparse.csr_matrix((hashed.weights, hashed.rows, hashed.indptr), shape=shape)


def _page_source(pages: list[Page], vocabulary: Vocabulary) -> Source:
    leaves = leaf_numbers([page.leaf for page in pages])
    targets = np.eye(len(load_taxonomy().leaves), dtype=np.float32)[leaves]
    for place, page in enumerate(pages):
        if page.second:
            share = SECOND_SHARE[page.sure]
            targets[place, leaves[place]] -= share
            targets[place, leaf_numbers([page.second])[0]] += share
    sizes = np.bincount(leaves)[leaves].astype(np.float32)
    importance = sizes**-0.25
    features = sparse(hash_with([page.text for page in pages], vocabulary), len(vocabulary.idf))
    return Source(features, targets, PAGE_IMPORTANCE / PAGE_VISITS * importance / importance.mean())


def _document_source(documents: list[Document], vocabulary: Vocabulary) -> Source:
    leaves = leaf_numbers([document.leaf for document in documents])
    groups = Counter((document.leaf, document.source) for document in documents)
    of_source = np.array([groups[document.leaf, document.source] for document in documents], np.float32)
    importance = of_source**-0.5 * np.bincount(leaves)[leaves].astype(np.float32) ** -0.25
    features = sparse(hash_with([document.text for document in documents], vocabulary), len(vocabulary.idf))
    targets = np.eye(len(load_taxonomy().leaves), dtype=np.float32)[leaves]
    return Source(features, targets, importance / importance.mean())


def _select(source: Source, chosen: NDArray[np.bool_]) -> Source:
    return Source(source.features[chosen], source.targets[chosen], source.importance[chosen])


def _fit_members(pages: Source, documents: Source) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The weighted sum of the members' matrices and biases: linear models on the same features add up."""
    sources = [pages] * PAGE_VISITS + [documents]
    features = scipy.sparse.vstack([source.features for source in sources], format="csr")
    examples = Examples(
        indptr=features.indptr.astype(np.int64),
        rows=features.indices.astype(np.int32),
        weights=features.data.astype(np.float32),
        targets=np.concatenate([source.targets for source in sources]),
        importance=np.concatenate([source.importance for source in sources]),
    )
    members = [(np.float32(factor), *fit(examples, features.shape[1], schedule)) for factor, schedule in MEMBERS]
    matrix = np.sum([factor * matrix for factor, matrix, _ in members], axis=0)
    return matrix, np.sum([factor * bias for factor, _, bias in members], axis=0)
