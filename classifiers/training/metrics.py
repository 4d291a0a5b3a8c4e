"""How good a model is on pages of sites that it did not see, as Markdown tables for its card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from classifiers.category import UNSURE, corrected
from classifiers.taxonomy import load_taxonomy
from classifiers.training.category import count_confusions, leaf_tree, spread_weights
from classifiers.training.data import Document, Page, leaf_numbers
from classifiers.training.form import Unseen
from classifiers.webtype import TYPES

LANGUAGES = ("en", "zh")
BALANCED = 15  # pages of a leaf at most, in the balanced figures
MIXES, MIX_PAGES = 20, 1000  # random mixes that estimated shares are judged on, and the pages of each


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats with three digits."""
    cells = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = [list(head), ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def balanced(pages: list[Page]) -> NDArray[np.bool_]:
    """Which pages are among the first 15 of their leaf in a fixed random order."""
    seen: Counter[str] = Counter()
    chosen = np.zeros(len(pages), bool)
    for place in np.random.default_rng(1).permutation(len(pages)):
        seen[pages[place].leaf] += 1
        chosen[place] = seen[pages[place].leaf] <= BALANCED
    return chosen


def category_scores(scores: NDArray[np.float32], pages: list[Page]) -> str:
    """Accuracy of category probabilities by language, on all pages and on at most 15 a leaf."""
    parts = {"all": np.ones(len(pages), bool), f"at most {BALANCED} a leaf": balanced(pages)}
    rows = []
    for name, part in parts.items():
        for language, of_language in by_language(pages).items():
            chosen = np.flatnonzero(part & of_language)
            rows.append([f"{name}, {language}", *_category_row(scores[chosen], [pages[i] for i in chosen])])
    chosen = np.flatnonzero([not page.facts for page in pages])  # they came as text
    rows.append(["Common Crawl, zh", *_category_row(scores[chosen], [pages[i] for i in chosen])])
    head = ["pages", "n", "top-1", "first or second", "top-5", "kind", "calibration", "mix: kinds", "mix: groups"]
    return table(head, rows)


def document_accuracy(
    score: Callable[[list[str]], NDArray[np.float32]], documents: list[Document]
) -> tuple[float, float]:
    """Top-1 and top-5 accuracy of category probabilities on documents of a corpus."""
    order = np.argsort(-score([document.text for document in documents]), axis=1, kind="stable")[:, :5]
    hits = order == leaf_numbers([document.leaf for document in documents])[:, None]
    return float(hits[:, 0].mean()), float(hits.any(axis=1).mean())


def confusions(scores: NDArray[np.float32], pages: list[Page], most: int = 12) -> str:
    """The commonest errors: leaf, the leaf that was chosen, and how often."""
    leaves, best = load_taxonomy().leaves, scores.argmax(axis=1)
    guesses = [(page.leaf, leaves[guess]) for page, guess in zip(pages, best, strict=True)]
    pairs = Counter(pair for pair in guesses if pair[0] != pair[1])
    return table(["leaf", "taken for", "pages"], [[*pair, count] for pair, count in pairs.most_common(most)])


def _category_row(scores: NDArray[np.float32], pages: list[Page]) -> list[object]:
    taxonomy = load_taxonomy()
    order = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    first = leaf_numbers([page.leaf for page in pages])
    second = leaf_numbers([page.second or page.leaf for page in pages])
    kind = np.array([taxonomy.kinds.index(taxonomy.kind[leaf]) for leaf in taxonomy.leaves])
    group = np.array([taxonomy.groups.index(taxonomy.group[leaf]) for leaf in taxonomy.leaves])
    hit = order[:, 0] == first
    return [
        len(pages),
        float(hit.mean()),
        float((hit | (order[:, 0] == second)).mean()),
        float((order == first[:, None]).any(axis=1).mean()),
        float((kind[order[:, 0]] == kind[first]).mean()),
        calibration_error(scores.max(axis=1), hit),
        mix_error(scores, first, kind),
        mix_error(scores, first, group),
    ]


def unsure_scores(scores: NDArray[np.float32], pages: list[Page]) -> tuple[float, float, float]:
    """Of at most 15 pages a leaf: share that is unsure, top-1 accuracy of it, and of the others."""
    part = balanced(pages)
    hit = (scores.argmax(axis=1) == leaf_numbers([page.leaf for page in pages]))[part]
    doubtful = scores[part].max(axis=1) < UNSURE
    return float(doubtful.mean()), float(hit[doubtful].mean()), float(hit[~doubtful].mean())


def share_scores(scores: NDArray[np.float32], pages: list[Page]) -> str:
    """Errors of stated and of corrected shares, and how often intervals hold the truth.

    On mixes drawn from half of the sites, with confusions counted on the other half: mixes as they come, and mixes with
    random shares of kinds or groups.
    """
    leaves, weights = leaf_numbers([page.leaf for page in pages]), spread_weights(pages)
    sites, site = np.unique([page.site for page in pages], return_inverse=True)
    results: dict[str, list[list[float]]] = {}
    for name, parts in zip(("kinds", "groups"), (leaf_tree() - leaf_tree().min(axis=0)).T, strict=True):
        truth, mass = parts[leaves], scores @ np.eye(parts.max() + 1)[parts]
        for seed in range(MIXES):
            random = np.random.default_rng(seed)
            counted = (random.random(len(sites)) < 0.5)[site]
            confusions = count_confusions(scores[counted], leaves[counted], weights[counted])[name].astype(np.float64)
            wanted = random.dirichlet(np.ones(len(confusions)))
            shifted = (wanted / np.maximum(np.bincount(truth[~counted], minlength=len(wanted)), 1))[truth]
            for kind, chance in (("as they come", weights * ~counted), ("random shares", shifted * ~counted)):
                chosen = random.choice(len(pages), MIX_PAGES, p=chance / chance.sum())
                true = np.bincount(truth[chosen], minlength=len(wanted)) / MIX_PAGES
                row = _share_row(mass[chosen].mean(axis=0), true, confusions)
                results.setdefault(f"{name}, {kind}", []).append(row)
    rows = [[name, *map(float, np.mean(result, axis=0))] for name, result in results.items()]
    return table(["mixes", "error, as stated", "error, corrected", "true share in interval"], rows)


def _share_row(stated: NDArray[np.float64], true: NDArray[np.float64], confusions: NDArray[np.float64]) -> list[float]:
    best, low, high = corrected(stated, confusions)
    errors = [float(np.abs(shares - true).sum() / 2) for shares in (stated, best)]
    return [*errors, float(((true >= low) & (true <= high)).mean())]


def mix_error(scores: NDArray[np.float32], truth: NDArray[np.int64], parts: NDArray[np.int64]) -> float:
    """Total variation between the shares that the probabilities state for each part and the true shares."""
    stated = np.bincount(parts, weights=scores.sum(axis=0), minlength=parts.max() + 1) / len(truth)
    true = np.bincount(parts[truth], minlength=parts.max() + 1) / len(truth)
    return float(np.abs(stated - true).sum() / 2)


def calibration_error(confidence: NDArray[np.float32], hit: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error in equally filled bins (Naeini et al. 2015)."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(part) * abs(confidence[part].mean() - hit[part].mean()) for part in parts) / len(order))


def webtype_scores(unseen: Unseen, pages: list[Page]) -> str:
    """Accuracy of web types by language, and how well articles are told from all else."""
    truth = np.array([TYPES.index(page.kind) for page in pages])
    article = truth == TYPES.index("article")
    rows = []
    for name, chosen in by_language(pages).items():
        row: list[object] = [name, int(chosen.sum()), float(article[chosen].mean())]
        for scores in (unseen.with_facts, unseen.without):
            row.append(float((scores.argmax(axis=1) == truth)[chosen].mean()))
            row.append(float(roc_auc_score(article[chosen], scores[chosen, TYPES.index("article")])))
        rows.append(row)
    head = ["pages", "n", "articles", "accuracy with facts", "AUC of article", "accuracy, text only", "AUC of article"]
    return table(head, rows)


def webtype_classes(unseen: Unseen, pages: list[Page]) -> str:
    """Precision and recall of each web type, with facts."""
    truth, guess = np.array([TYPES.index(page.kind) for page in pages]), unseen.with_facts.argmax(axis=1)
    rows: list[list[object]] = []
    for number, name in enumerate(TYPES):
        hits = int(((truth == number) & (guess == number)).sum())
        found, there = int((guess == number).sum()), int((truth == number).sum())
        rows.append([name, there, hits / found if found else "–", hits / there if there else "–"])
    return table(["type", "pages", "precision", "recall"], rows)


def quality_scores(unseen: Unseen, pages: list[Page]) -> str:
    """ROC AUC and calibration error by language."""
    good = np.array([(page.quality or 0) >= 2 for page in pages])
    rows = []
    for name, chosen in by_language(pages).items():
        row: list[object] = [name, int(chosen.sum()), float(good[chosen].mean())]
        for scores in (unseen.with_facts, unseen.without):
            row.append(float(roc_auc_score(good[chosen], scores[chosen, 1])))
            row.append(calibration_error(scores[chosen, 1], good[chosen]))
        rows.append(row)
    head = ["pages", "n", "share good", "AUC with facts", "calibration error", "AUC, text only", "calibration error"]
    return table(head, rows)


def by_language(pages: list[Page]) -> dict[str, NDArray[np.bool_]]:
    """Which pages are in each language, and all of them."""
    languages = np.array([page.language for page in pages])
    return {"all": np.ones(len(pages), bool)} | {language: languages == language for language in LANGUAGES}
