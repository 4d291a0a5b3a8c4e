"""Train the category model: softmax members of different capacity, summed into one matrix, and calibrated.

Pages labelled by reading count most; corpora are capped by leaf and source, so that they teach what the pages lack and
do not drown them; short written texts and lists of words stand in for leaves with few documents in a language, and spam
is spun from clean documents. Judged by folds of whole sites.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray

from classifiers.calibration import measure_inputs
from classifiers.features import HashedTexts, Vocabulary, hash_with
from classifiers.linear import LinearModel, softmax
from classifiers.model_file import write_model
from classifiers.taxonomy import load_taxonomy
from classifiers.training.data import FOLDS, Document, Page, folds_of, leaf_numbers, load_texts, load_words
from classifiers.training.softmax import Examples, Schedule, fit
from classifiers.training.spun import make_spam
from classifiers.training.vocabulary import capped

PAGE_IMPORTANCE = 4.0  # of a page; a document's is 1 in the mean
PAGE_VISITS = 3  # in each epoch; the importance is divided among them
SECOND_SHARE = {3: 0.1, 2: 0.25, 1: 0.35}  # of a page's target that its second leaf gets, by how sure the reader was
WRITTEN_IMPORTANCE = 1.5
SPAM_IMPORTANCE = 0.6
SPAM_TEXTS = 150  # in each language
SPAM_BASE_CAP = 10  # clean documents of a leaf and source that spam is spun from


@dataclass(frozen=True)
class Member:
    """``factor`` in the sum of logits; ``cap``: documents of a leaf and source that it learns from."""

    factor: np.float32
    cap: int
    schedule: Schedule
    tree: bool  # whether leaves share weights with their kind and group


MEMBERS = (
    Member(np.float32(1.0), 30, Schedule(rank=0, rate=1.0, epochs=8, seed=1), tree=True),
    Member(np.float32(1.0), 30, Schedule(rank=128, rate=1.0, epochs=5, seed=2), tree=False),
    Member(np.float32(0.7), 150, Schedule(rank=0, rate=1.0, epochs=8, seed=3), tree=True),
)


@dataclass(frozen=True)
class Source:
    """Texts of one sort in the vocabulary's rows, with the classes and importance that they are trained with."""

    features: scipy.sparse.csr_matrix
    targets: NDArray[np.float32]
    importance: NDArray[np.float32]


def train(pages: list[Page], corpus: list[Document], vocabulary: Vocabulary, folder: Path) -> NDArray[np.float32]:
    """Write the model into ``folder``; returns each page's probabilities by a model that did not see its site."""
    page_source, folds = _page_source(pages, vocabulary), folds_of(pages)
    made = _made_source(corpus, vocabulary)
    size = len(vocabulary.idf)
    unseen = np.zeros((len(pages), len(load_taxonomy().leaves)), np.float32)
    matrix, bias = np.zeros((size, unseen.shape[1]), np.float32), np.zeros(unseen.shape[1], np.float32)
    for member in MEMBERS:
        others = [_document_source(capped(corpus, member.cap) + load_words(), vocabulary), *made]
        for fold in range(FOLDS):
            held = folds == fold
            part, part_bias = _fit(member, _select(page_source, ~held), others)
            unseen[held] += member.factor * (page_source.features[held] @ part + part_bias)
        part, part_bias = _fit(member, page_source, others)
        matrix += member.factor * part
        bias += member.factor * part_bias
    write_model("category", LinearModel.quantised(matrix, bias).arrays(), folder)
    hashed = hash_with([page.text for page in pages], vocabulary)
    weights = spread_weights(pages)
    factor = fit_factor(unseen, page_source.targets, measure_inputs(hashed), weights)
    scores = softmax(unseen * np.exp(measure_inputs(hashed) @ factor)[:, None])
    confusions = count_confusions(scores, leaf_numbers([page.leaf for page in pages]), weights)
    write_model("category_calibration", {"factor": factor} | confusions, folder)
    return scores


def best_temperature(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> np.float32:
    """The factor on ``logits`` with the least cross-entropy (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    losses = {}
    for factor in np.geomspace(0.2, 5, 80).astype(np.float32):
        losses[factor] = -(targets * np.log(softmax(logits * factor) + 1e-12)).sum(axis=1).mean()
    return min(losses, key=losses.__getitem__)


def fit_factor(
    logits: NDArray[np.float32],
    targets: NDArray[np.float32],
    inputs: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> NDArray[np.float32]:
    """float32 [inputs]: coefficients of the log of a text's factor on its logits, with the least cross-entropy."""

    def loss(coefficients: NDArray[np.float64]) -> float:
        scores = softmax(logits * np.exp(inputs @ coefficients.astype(np.float32))[:, None])
        each = -(targets * np.log(scores + 1e-12)).sum(axis=1)
        return float((weights * each).sum() / weights.sum() + 1e-3 * (coefficients[1:] ** 2).sum())

    start = np.zeros(inputs.shape[1])
    start[0] = np.log(best_temperature(logits, targets))
    return scipy.optimize.minimize(loss, start, method="Powell").x.astype(np.float32)


def spread_weights(pages: list[Page]) -> NDArray[np.float32]:
    """float32 [n]: weights by which no site and no common leaf rules a mean: n(site, leaf)^-1/2 * n(leaf)^-1/2."""
    of_site = Counter((page.site, page.leaf) for page in pages)
    of_leaf = Counter(page.leaf for page in pages)
    return np.array([(of_site[page.site, page.leaf] * of_leaf[page.leaf]) ** -0.5 for page in pages], np.float32)


def count_confusions(
    scores: NDArray[np.float32], leaves: NDArray[np.int64], weights: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """``kinds`` and ``groups`` of a Calibration; weights are scaled to sum to the pages they are worth."""
    worth = weights * weights.sum() / (weights**2).sum()  # Kish's effective sample size
    confusions = {}
    for name, parts in zip(("kinds", "groups"), leaf_tree().T, strict=True):
        of_leaf = np.eye(parts.max() + 1, dtype=np.float32)[parts][:, parts.min() :]
        confusions[name] = of_leaf[leaves].T @ (worth[:, None] * (scores @ of_leaf)) + np.float32(1e-3)
    return confusions


def sparse(hashed: HashedTexts, features: int) -> scipy.sparse.csr_matrix:
    """Hashed texts as a scipy matrix [n, features]."""
    shape = (len(hashed.indptr) - 1, features)
    return scipy.sparse.csr_matrix((hashed.weights, hashed.rows, hashed.indptr), shape=shape)


def leaf_tree() -> NDArray[np.int64]:
    """int64 [200, 2]: the kind of each leaf, and its group, numbered on from the kinds."""
    taxonomy = load_taxonomy()
    kinds = [taxonomy.kinds.index(taxonomy.kind[leaf]) for leaf in taxonomy.leaves]
    groups = [len(taxonomy.kinds) + taxonomy.groups.index(taxonomy.group[leaf]) for leaf in taxonomy.leaves]
    return np.stack([kinds, groups], axis=1)


def _page_source(pages: list[Page], vocabulary: Vocabulary) -> Source:
    leaves = leaf_numbers([page.leaf for page in pages])
    targets = np.eye(len(load_taxonomy().leaves), dtype=np.float32)[leaves]
    for place, page in enumerate(pages):
        if page.second:
            share = SECOND_SHARE[page.sure]
            targets[place, leaves[place]] -= share
            targets[place, leaf_numbers([page.second])[0]] += share
    of_site = Counter((page.site, page.leaf) for page in pages)
    of_its_site = np.array([of_site[page.site, page.leaf] for page in pages], np.float32)
    importance = of_its_site**-0.5 * np.bincount(leaves)[leaves].astype(np.float32) ** -0.25
    features = sparse(hash_with([page.text for page in pages], vocabulary), len(vocabulary.idf))
    return Source(features, targets, PAGE_IMPORTANCE / PAGE_VISITS * importance / importance.mean())


def _document_source(documents: list[Document], vocabulary: Vocabulary, weight: float = 1.0) -> Source:
    leaves = leaf_numbers([document.leaf for document in documents])
    groups = Counter((document.leaf, document.source) for document in documents)
    of_source = np.array([groups[document.leaf, document.source] for document in documents], np.float32)
    importance = of_source**-0.5 * np.bincount(leaves)[leaves].astype(np.float32) ** -0.25
    features = sparse(hash_with([document.text for document in documents], vocabulary), len(vocabulary.idf))
    targets = np.eye(len(load_taxonomy().leaves), dtype=np.float32)[leaves]
    return Source(features, targets, (weight * importance / importance.mean()).astype(np.float32))


def _made_source(corpus: list[Document], vocabulary: Vocabulary) -> list[Source]:
    """Written texts, and spam spun from documents of the corpus."""
    spam = make_spam(capped(corpus, SPAM_BASE_CAP), SPAM_TEXTS)
    return [
        _document_source(load_texts(), vocabulary, WRITTEN_IMPORTANCE),
        _document_source(spam, vocabulary, SPAM_IMPORTANCE),
    ]


def _select(source: Source, chosen: NDArray[np.bool_]) -> Source:
    return Source(source.features[chosen], source.targets[chosen], source.importance[chosen])


def _fit(member: Member, pages: Source, others: list[Source]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A member's matrix and bias: linear models on the same features add up."""
    sources = [pages] * PAGE_VISITS + others
    features = scipy.sparse.vstack([source.features for source in sources], format="csr")
    examples = Examples(
        indptr=features.indptr.astype(np.int64),
        rows=features.indices.astype(np.int32),
        weights=features.data.astype(np.float32),
        targets=np.concatenate([source.targets for source in sources]),
        importance=np.concatenate([source.importance for source in sources]),
    )
    return fit(examples, features.shape[1], member.schedule, leaf_tree() if member.tree else None)
