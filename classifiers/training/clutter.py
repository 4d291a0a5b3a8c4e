"""Train the extractor's model from labelled pages: ``crawlmix train-extractor PAGES.parquet``.

The file has a row a page with the columns ``html`` (bytes), ``gold_text`` (its main text; rows without one are left
out) and ``site`` (pages of one site are never split), and for the card ``source``, ``page_type``, ``lang``,
``gold_kind`` and ``license``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from classifiers.model_file import MODELS, write_model
from classifiers.training.alignment import block_labels, tokens
from classifiers.training.clutter_net import ClutterNet, Example, Schedule, train
from classifiers.training.lexicon import learn, observations
from pipeline.extraction.blocks import parse
from pipeline.extraction.choice import choose
from pipeline.extraction.columns import END, START
from pipeline.extraction.decode import decode
from pipeline.extraction.describe import Lexicon, Page, describe
from pipeline.extraction.features import features
from pipeline.extraction.model import Model, model_of, scores

FOLDS: Final = 5
_INNER_FOLDS: Final = 5  # a page's features come from a lexicon that its site had no part in
_MOST_BLOCKS: Final = 3000  # of a page that is trained on
SEED: Final = 0


@dataclass
class LabelledPage:
    about: dict[str, Any]  # the columns of the file but for html and gold_text
    page: Page
    tokens: NDArray[np.int32]  # of each block
    labels: NDArray[np.float32]  # of each block the share that is main text, -1 where that is not known
    page_tokens: NDArray[np.int32]  # each token of the page by its number in the gold text, -1 where it is not in it
    gold_counts: NDArray[np.int64]

    @cached_property
    def observed(self) -> list[NDArray[np.float64]]:
        return observations(self.page, self.tokens, self.labels)

    @property
    def is_usable(self) -> bool:
        """Whether there is something to learn from."""
        return 0 < len(self.labels) <= _MOST_BLOCKS and bool((self.labels >= 0.5).any())

    def f1(self, chosen: NDArray[np.bool_]) -> float:
        """F1 of bags of tokens, of the chosen blocks against the gold text."""
        found = self.page_tokens[np.repeat(chosen, self.tokens)]
        counts = np.bincount(found[found >= 0], minlength=len(self.gold_counts))
        return 2 * int(np.minimum(counts, self.gold_counts).sum()) / max(1, len(found) + int(self.gold_counts.sum()))


def load(path: Path) -> list[LabelledPage]:
    """The pages of a file whose main text people marked or checked, with their blocks and labels."""
    pages = []
    for batch in pq.ParquetFile(path).iter_batches(100):
        pages += [labelled(row) for row in batch.to_pylist() if row["gold_text"] and row.get("gold_kind") != "tool"]
    return pages


def labelled(row: dict[str, Any]) -> LabelledPage:
    source = decode(row["html"]).utf8
    tree = parse(source, row.get("url") or "")
    tree = tree._replace(
        text=tree.text.copy(), blocks=tree.blocks.copy(), elements=tree.elements.copy(), words=tree.words.copy()
    )
    texts = [bytes(tree.text[block[START] : block[END]]).decode("utf-8", "replace") for block in tree.blocks]
    counts, labels = block_labels(texts, row["gold_text"])
    numbers: dict[str, int] = {}
    gold = np.bincount([numbers.setdefault(token, len(numbers)) for token in tokens(row["gold_text"])], minlength=1)
    of_page = np.array([numbers.get(token, -1) for text in texts for token in tokens(text)], np.int32)
    about = {name: value for name, value in row.items() if name not in ("html", "gold_text")}
    return LabelledPage(about, describe(source, tree), counts, labels, of_page, gold)


def folds_of(pages: Sequence[LabelledPage], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each page, the same for all pages of a site."""
    sites = sorted({page.about["site"] for page in pages})
    of_site = dict(zip(sites, np.random.default_rng(seed).permutation(len(sites)) % folds, strict=True))
    return np.array([of_site[page.about["site"]] for page in pages])


def fit(pages: Sequence[LabelledPage], seed: int = SEED, schedule: Schedule | None = None) -> Model:
    """A model trained on pages."""
    pages = [page for page in pages if page.is_usable]
    fold = folds_of(pages, _INNER_FOLDS, seed)
    lexica = [_lexicon([page for page, of in zip(pages, fold, strict=True) if of != n]) for n in range(_INNER_FOLDS)]
    examples = [_example(page, lexica[of]) for page, of in zip(pages, fold, strict=True)]
    net: ClutterNet = train(examples, seed, schedule)
    return model_of({**net.arrays(), **_lexicon(pages)._asdict()})


def _lexicon(pages: Sequence[LabelledPage]) -> Lexicon:
    sites = np.unique([page.about["site"] for page in pages], return_inverse=True)[1]
    return learn([page.observed for page in pages], sites)


def _example(page: LabelledPage, lexicon: Lexicon) -> Example:
    found = features(page.page, lexicon)
    known = page.labels >= 0
    importance = np.where(known, np.sqrt(page.tokens) + 0.3, 0)
    return Example(
        found.rows(),
        found.spans,
        page.page.groups,
        found.own[:, 0] + np.float32(0.1),
        np.maximum(page.labels, 0),
        np.where(known, page.tokens, 0).astype(np.float32),
        (importance / max(1e-6, importance.sum())).astype(np.float32),
    )


def evaluate(model: Model, pages: Sequence[LabelledPage]) -> list[float]:
    """F1 of each page."""
    return [page.f1(choose(page.page, scores(page.page, model))) for page in pages]


def cross_validate(
    pages: Sequence[LabelledPage], schedule: Schedule | None = None, tell: Callable[[str], None] = print
) -> list[float]:
    """F1 of each page by a model that was trained without its site."""
    fold = folds_of(pages, FOLDS, SEED + 1)
    f1 = np.zeros(len(pages))
    for number in range(FOLDS):
        model = fit([page for page, of in zip(pages, fold, strict=True) if of != number], SEED, schedule)
        f1[fold == number] = evaluate(model, [page for page, of in zip(pages, fold, strict=True) if of == number])
        tell(f"fold {number + 1} of {FOLDS}: F1 {f1[fold == number].mean():.3f}")
    return f1.tolist()


def means_by(pages: Sequence[LabelledPage], f1: Sequence[float], column: str) -> dict[str, tuple[int, float]]:
    """Number of pages and mean F1 by the value of a column, most frequent first."""
    values = [str(page.about.get(column) or "not stated") for page in pages]
    counts = Counter(values)
    means = {value: float(np.mean([f for f, of in zip(f1, values, strict=True) if of == value])) for value in counts}
    return {value: (count, means[value]) for value, count in counts.most_common()}


def save(model: Model, f1_cross_validated: float, folder: Path = MODELS) -> Path:
    """Write the model's file. ``f1_cross_validated``: nan where not measured."""
    measured = {"f1_cross_validated": np.array(f1_cross_validated, np.float32)}
    return write_model("clutter", {**model.net._asdict(), **model.lexicon._asdict(), **measured}, folder)
