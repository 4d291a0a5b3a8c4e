"""Train a small model of one task on labels, such as those of a teacher, and judge it on sites that it did not see."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_fscore_support

from classifiers.backends import LABEL, load_classifier, one_line, save_linear
from classifiers.features import hash_texts, load_vocabulary
from classifiers.linear import LinearModel
from classifiers.training.fasttext_child import run_child
from pipeline.errors import UserError
from rules.sites import registered_domain

HELD_OUT = 0.2  # of the sites
STRENGTH = 5.0  # of the linear model: the inverse of its L2 penalty
FASTTEXT = {
    "dim": 32,
    "bucket": 300_000,
    "wordNgrams": 2,
    "lr": 1.0,
    "epoch": 50,
    "minCount": 1,
    "thread": 1,
    "seed": 0,
}
KEPT_PER_TEXT, KEPT = 50, (1000, 200_000)  # words and pairs that a quantised model keeps, by the texts, within limits


@dataclass(frozen=True)
class Example:
    text: str
    label: str
    site: str  # examples of a site are learnt from together or held out together


@dataclass(frozen=True)
class Judged:
    """How a model did on ``examples`` texts of sites that it had not seen."""

    examples: int
    accuracy: float
    baseline: float  # of always saying the label that is most frequent in training
    by_label: list[tuple[str, int, float, float]]  # label, examples, precision, recall

    @property
    def macro_f1(self) -> float:
        parts = [(precision, recall) for _, _, precision, recall in self.by_label]
        return float(np.mean([2 * p * r / (p + r) if p + r else 0.0 for p, r in parts]))


Trainer = Callable[[Sequence[Example], Path], None]


def site_of(url: str, record_id: str) -> str:
    """The site that a page belongs to; a page without an address stands for itself."""
    return registered_domain(url) if url else record_id


def distil(examples: Sequence[Example], output: Path) -> Judged:
    """Judge a model trained on four fifths of the sites, then write one trained on all to ``output``.

    ``.bin`` and ``.ftz`` are fastText (the latter quantised), ``.npz`` a linear model on the shipped vocabulary. Raises
    UserError where the examples are of one label, or of one site.
    """
    if len({example.label for example in examples}) < 2:
        raise UserError("all examples have the same label: a model needs at least two")
    held = _held_out(examples)
    train = train_linear if output.suffix == ".npz" else train_fasttext
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / output.name
        train([example for example in examples if example.site not in held], trial)
        judged = _judge(trial, examples, held)
    train(examples, output)
    return judged


def _held_out(examples: Sequence[Example]) -> set[str]:
    """A fifth of the sites, drawn by the hash of their names."""
    sites = sorted({example.site for example in examples}, key=lambda site: hashlib.sha256(site.encode()).digest())
    if len(sites) < 2:
        raise UserError(f"all examples are of the site {sites[0]}: a model can only be judged on sites it did not see")
    return set(sites[: math.ceil(len(sites) * HELD_OUT)])


def _judge(model: Path, examples: Sequence[Example], held: set[str]) -> Judged:
    labels = tuple(sorted({example.label for example in examples}))
    unseen = [example for example in examples if example.site in held]
    seen = [example.label for example in examples if example.site not in held]
    truth = [example.label for example in unseen]
    scores = load_classifier(str(model), labels)([example.text for example in unseen])
    said = [labels[place] for place in scores.argmax(axis=1)]
    usual = max(sorted(set(seen)), key=seen.count)
    names = sorted(set(truth))
    precision, recall, _, counts = precision_recall_fscore_support(truth, said, labels=names, zero_division=0)
    return Judged(
        examples=len(unseen),
        accuracy=float(np.mean([one == other for one, other in zip(truth, said, strict=True)])),
        baseline=float(np.mean([label == usual for label in truth])),
        by_label=list(zip(names, counts.tolist(), precision.tolist(), recall.tolist(), strict=True)),
    )


def train_fasttext(examples: Sequence[Example], output: Path) -> None:
    """A fastText classifier (Joulin et al. 2016, arXiv 1607.01759) on words and pairs of words, one thread: the same
    examples give the same bytes. Raises UserError where fastText fails."""
    kept = int(np.clip(KEPT_PER_TEXT * len(examples), *KEPT))
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.txt"
        text = "".join(f"{LABEL}{example.label} {one_line(example.text)}\n" for example in examples)
        lines.write_text(text, encoding="utf-8")
        child = run_child(lines, output, kept, FASTTEXT)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or [f"exit status {child.returncode}"])[-1]
        raise UserError(f"fastText could not be trained on {len(examples):,} examples: {reason}")


def train_linear(examples: Sequence[Example], output: Path) -> None:
    """A logistic regression on the hashed features of the shipped models."""
    hashed = hash_texts([example.text for example in examples])
    shape = (len(examples), len(load_vocabulary().idf))
    words = scipy.sparse.csr_matrix((hashed.weights, hashed.rows, hashed.indptr), shape=shape)
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit(words, [example.label for example in examples])
    matrix, bias = fitted.coef_.T, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn gives the second of two alone
        matrix, bias = np.hstack([np.zeros_like(matrix), matrix]), np.append(0, bias)
    save_linear(output, LinearModel.quantised(matrix.astype(np.float32), bias), fitted.classes_.tolist())
