"""Model cards: data, accuracy by language, known failures, size, speed, how to rebuild."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifiers.category import UNSURE
from classifiers.training import metrics
from classifiers.training.data import Document, Page
from classifiers.training.form import Unseen

METHOD = """All figures are of pages whose sites the model did not see (5 folds by site), texts cut to 4,000 characters.
Calibration error: expected, in ten bins filled evenly."""

CATEGORY = """# Category model

Which of the 200 leaves of `taxonomy.yaml` a text belongs to. A softmax on hashed words, characters, pairs and
prefixes (`features.py`): one int8 matrix, the sum of softmax members, and a bias. Two members share weights
among leaves of a kind and of a group. Each text's logits have a temperature of their own (`calibration.py`): by
language, number of features, and the share of features that the vocabulary knows.

**Data.** {pages:,} web pages labelled by reading, {english:,} in English, the others in Chinese; up to {documents:,}
documents of public corpora (at most {cap} of a leaf and collection; a page weighs {importance:g} times as much
as a document, pages of one site and leaf less); {written} short texts written for leaves with few documents in a
language (`training/texts`), lists of Chinese words; {spun} spam texts spun from clean documents
(`training/spun.py`). The model holds hashes and weights, no text.

**Accuracy.** {method} "First or second" counts the reader's second choice; "mix error" is the total variation
distance between the shares of kinds (or groups) that the probabilities state and the true ones. Two readers
agree on the leaf of 86 % of pages.

{scores}

A text whose best leaf has less than {threshold:g} is `unsure`: {unsure:.0%} of the pages (at most 15 a leaf), of which
{unsure_hit:.0%} have the right leaf; of the others {sure_hit:.0%}.

**Shares.** `estimate_shares` corrects the mass of probabilities for what the model confuses (`calibration.py`). On
mixes of 1,000 pages from half of the sites, confusions counted on the other half:

{shares}

**On other documents of the training corpora** (they flatter, sources are shared): top-1 {dev_top1:.3f}, top-5
{dev_top5:.3f}.

**Commonest errors.**

{confusions}

**Known failures.** Chinese leaves with few labelled pages (shops, finance, lifestyle) are found through written
texts and English data only and often missed; fiction is told from other texts, but its genres hardly from each
other; short texts and texts in other languages get broad guesses, which their low probability shows. Chinese
Common Crawl is unlike the other pages, and the figures on its 40 pages are of few pages: much of its spun spam is
taken for its topic, and the shares stated for it are far off. Most Chinese pages that were read are of a few
sites. The correction takes a fifth to a quarter off the error of a mix unlike the training pages, no more; how often
its intervals hold the truth, where they should in 90 % of cases, stands in the table of shares.

**Size and speed.** {megabytes:.1f} MB and the shared vocabulary of {vocabulary_megabytes:.1f} MB;
{speed:,.0f} texts of 2,000 characters a CPU second on the machine that trained it.

{rebuild}
"""

WEBTYPE = """# Web-type model

What kind of page a text comes from: {types}. A softmax on hashed words, eleven values of
the text's shape (`shape.py`) and facts of its page (`facts.py`), which may be left out.

**Data.** {pages:,} English and Chinese web pages whose type was read; with a fifth of their weight, pages whose
type follows from their category or their collection.

**Accuracy.** {method} Two readers agree on 97 % of pages.

{scores}

With facts, by type:

{classes}

**Known failures.** Chinese pages are judged worse than English ones (fewer labels; 40 of them came without
facts). Without facts the model tells little more than articles from forums and lists. Rare types (question and
answer, adult, media, tool, error, other) have few examples and are seldom chosen; use the category for adult
pages and error pages.

**Size and speed.** {megabytes:.1f} MB and the shared vocabulary; {speed:,.0f} texts of 2,000 characters a
CPU second.

{rebuild}
"""

QUALITY = """# Quality model

The probability that a reader who builds a training set would rate a text 2 (readable, mostly coherent) or 3
(well-formed and informative) rather than 0 or 1. A logistic regression on hashed words, eleven values of the
text's shape (`shape.py`) and facts of its page (`facts.py`), which may be left out.

**Data.** {pages:,} English and Chinese web pages whose quality was read from 0 to 3.

**Accuracy.** {method} Two readers agree on good or not good for 96 % of pages.

{scores}

**Known failures.** It judges form: fluent machine-made text and advertising pass. Poems and lyrics look like
fragments and score low, so let their category or web type excuse them. Chinese spam that is spun from real
prose is often missed.

**Size and speed.** {megabytes:.1f} MB and the shared vocabulary; {speed:,.0f} texts of 2,000 characters a
CPU second.

{rebuild}
"""


def rebuild(name: str) -> str:
    """The sentence that says how a model is made again."""
    return f"**Rebuild.** `python -m classifiers.training {name} --shared FOLDER`, FOLDER holding the labelled data."


def megabytes(folder: Path, name: str) -> float:
    """Size of a model's file."""
    return (folder / f"{name}.npz").stat().st_size / 1e6


def texts_a_second(score: Callable[[list[str]], object], pages: list[Page]) -> float:
    """Texts a CPU second on 1,000 pages, each brought to 2,000 characters by repeating its text."""
    sample = [(page.text * (2000 // max(len(page.text), 1) + 1))[:2000] for page in pages[:1000]]
    score(sample[:1])  # compile
    start = time.process_time()
    score(sample)
    return len(sample) / (time.process_time() - start)


def category_card(
    scores: NDArray[np.float32], pages: list[Page], documents: list[Document], dev: tuple[float, float], **facts: float
) -> str:
    """``scores`` of pages by models that did not see their sites; ``dev``: top-1 and top-5 on other documents."""
    unsure, unsure_hit, sure_hit = metrics.unsure_scores(scores, pages)
    return CATEGORY.format(
        pages=len(pages),
        english=sum(page.language == "en" for page in pages),
        documents=len(documents),
        method=METHOD,
        scores=metrics.category_scores(scores, pages),
        confusions=metrics.confusions(scores, pages),
        shares=metrics.share_scores(scores, pages),
        threshold=UNSURE,
        unsure=unsure,
        unsure_hit=unsure_hit,
        sure_hit=sure_hit,
        dev_top1=dev[0],
        dev_top5=dev[1],
        rebuild=rebuild("category"),
        **facts,
    )


def webtype_card(unseen: Unseen, pages: list[Page], **facts: float) -> str:
    return WEBTYPE.format(
        types=", ".join(metrics.TYPES),
        pages=len(pages),
        method=METHOD,
        scores=metrics.webtype_scores(unseen, pages),
        classes=metrics.webtype_classes(unseen, pages),
        rebuild=rebuild("webtype"),
        **facts,
    )


def quality_card(unseen: Unseen, pages: list[Page], **facts: float) -> str:
    return QUALITY.format(
        pages=len(pages),
        method=METHOD,
        scores=metrics.quality_scores(unseen, pages),
        rebuild=rebuild("quality"),
        **facts,
    )
