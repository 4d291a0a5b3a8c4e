"""The training code: fits learn, folds keep sites apart, metrics are right; with the labelled data, pages are found."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from classifiers.taxonomy import load_taxonomy
from classifiers.training import metrics
from classifiers.training.category import best_temperature, count_confusions, fit_factor
from classifiers.training.data import Document, Page, folds_of, load_chinese_pages, load_words
from classifiers.training.softmax import Examples, Schedule, fit
from classifiers.training.vocabulary import capped

SHARED = Path(__file__).parents[3] / "shared"


def examples() -> tuple[Examples, scipy.sparse.csr_matrix, np.ndarray]:
    """Three classes, each with 20 features of its own among 100 that all have."""
    random = np.random.default_rng(0)
    classes = random.integers(0, 3, 300)
    dense = (random.random((300, 160)) < 0.1).astype(np.float32)
    for place, number in enumerate(classes):
        dense[place, 100:] = 0
        dense[place, 100 + 20 * number + random.integers(0, 20, 5)] = 1
    rows = scipy.sparse.csr_matrix(dense / np.linalg.norm(dense, axis=1, keepdims=True))
    arrays = (rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data.astype(np.float32))
    return Examples(*arrays, np.eye(3, dtype=np.float32)[classes], np.ones(300, np.float32)), rows, classes


@pytest.mark.parametrize("rank", [0, 8])
def test_a_member_learns_and_learns_the_same_again(rank: int) -> None:
    data, rows, classes = examples()
    matrix, bias = fit(data, 160, Schedule(rank=rank, seed=3))
    assert ((rows @ matrix + bias).argmax(axis=1) == classes).mean() > 0.95
    again, _ = fit(data, 160, Schedule(rank=rank, seed=3))
    assert np.array_equal(matrix, again)


def test_classes_of_a_node_learn_from_each_other() -> None:
    data, rows, classes = examples()
    lone = classes == 2
    few = np.flatnonzero(~lone)  # class 2 is never seen, and shares a node with class 1
    part = rows[few]
    arrays = (part.indptr.astype(np.int64), part.indices.astype(np.int32), part.data.astype(np.float32))
    seen = Examples(*arrays, data.targets[few], data.importance[few])
    apart, together = (
        fit(seen, 160, Schedule(seed=3), nodes)[0] for nodes in (None, np.array([[0], [1], [1]], np.int64))
    )
    own = slice(120, 140)  # the features of class 1
    assert (together[own, 2] - apart[own, 2]).mean() > 0


def test_logits_get_the_temperature_that_their_inputs_call_for() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 5)).astype(np.float32)
    drawn = np.array([random.choice(5, p=np.exp(row) / np.exp(row).sum()) for row in logits.astype(np.float64)])
    inputs = np.stack([np.ones(4000), np.arange(4000) % 2], axis=1).astype(np.float32)
    factor = fit_factor(logits * (1 + 3 * inputs[:, 1:]), np.eye(5, dtype=np.float32)[drawn], inputs, inputs[:, 0])
    assert np.exp(inputs[:2] @ factor) == pytest.approx([1, 0.25], rel=0.2)


def test_confusions_count_pages_by_what_they_are_worth() -> None:
    scores = np.full((4, 200), 1 / 200, np.float32)
    counted = count_confusions(scores, np.array([0, 0, 1, 2]), np.ones(4, np.float32))
    assert counted["kinds"].sum() == pytest.approx(4, rel=0.1)
    assert counted["groups"].shape == (20, 20)


def test_temperature_undoes_overconfidence() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 5)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = np.array([random.choice(5, p=row / row.sum()) for row in shares.astype(np.float64)])
    assert best_temperature(logits * 4, np.eye(5, dtype=np.float32)[drawn]) == pytest.approx(0.25, rel=0.15)


def test_a_site_is_in_one_fold_only() -> None:
    pages = [Page("", "en", f"site-{n % 50}.org", "soccer") for n in range(500)]
    folds = folds_of(pages)
    assert len({(page.site, fold) for page, fold in zip(pages, folds.tolist(), strict=True)}) == 50
    assert set(folds.tolist()) == {0, 1, 2, 3, 4}


def test_no_leaf_and_source_exceeds_its_cap() -> None:
    documents = [Document(str(n), "en", "soccer", "large" if n % 10 else "small") for n in range(100)]
    chosen = capped(documents, 15)
    assert sum(document.source == "large" for document in chosen) == 15
    assert sum(document.source == "small" for document in chosen) == 10


def test_word_lists_name_known_leaves() -> None:
    documents = load_words()
    assert {document.leaf for document in documents} <= set(load_taxonomy().leaves)
    assert all(len(document.text.split()) >= 8 for document in documents)


def test_mix_and_calibration_errors() -> None:
    scores = np.array([[0.8, 0.2], [0.6, 0.4]], np.float32)
    assert metrics.mix_error(scores, np.array([0, 1]), np.array([0, 1])) == pytest.approx(0.2)
    certain = np.ones(10, np.float32)
    assert metrics.calibration_error(certain, np.arange(10) < 7) == pytest.approx(0.3)


@pytest.mark.skipif(not SHARED.exists(), reason="the labelled data lies beside the repository and is not here")
def test_labelled_pages_are_read() -> None:
    pages = load_chinese_pages(SHARED)
    assert len(pages) == 40
    assert all(page.text and page.leaf in load_taxonomy().leaves for page in pages)
