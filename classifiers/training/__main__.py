"""Rebuild the models and their cards: ``python -m classifiers.training all --shared ../shared``."""

from __future__ import annotations

import argparse
from pathlib import Path

from classifiers import category, quality, webtype
from classifiers.features import load_vocabulary
from classifiers.model_file import MODELS
from classifiers.training import cards, form, metrics, vocabulary
from classifiers.training import category as category_training
from classifiers.training.data import Page, load_chinese_pages, load_corpus, load_pages, load_texts

NAMES = ("vocabulary", "category", "webtype", "quality")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m classifiers.training", description=__doc__)
    parser.add_argument("model", choices=("all", *NAMES), help="the others stand on the vocabulary: it comes first")
    parser.add_argument("--shared", type=Path, required=True, help="folder of the labelled data")
    default = Path.home() / ".cache" / "crawlmix" / "labelled-pages.parquet"
    parser.add_argument("--cache", type=Path, default=default, help=f"keeps the pages' texts (default: {default})")
    arguments = parser.parse_args()
    pages = load_pages(arguments.shared, arguments.cache)
    chinese = load_chinese_pages(arguments.shared)
    for name in NAMES if arguments.model == "all" else (arguments.model,):
        if name == "vocabulary":
            vocabulary.train(pages, load_corpus(arguments.shared), MODELS)
        elif name == "category":
            train_category(pages + chinese, arguments.shared)
        else:
            train_form(name, pages + chinese)


def train_category(pages: list[Page], shared: Path) -> None:
    """Train the category model and write its card."""
    corpus = load_corpus(shared)
    scores = category_training.train(pages, corpus, load_vocabulary(), MODELS)
    cap = max(member.cap for member in category_training.MEMBERS)
    used = vocabulary.capped(corpus, cap)
    dev = metrics.document_accuracy(category.probabilities, load_corpus(shared, ("dev",)))
    card = cards.category_card(
        scores,
        pages,
        used,
        dev,
        cap=cap,
        importance=category_training.PAGE_IMPORTANCE,
        written=len(load_texts()),
        spun=2 * category_training.SPAM_TEXTS,
        megabytes=cards.megabytes(MODELS, "category"),
        vocabulary_megabytes=cards.megabytes(MODELS, "vocabulary"),
        speed=cards.texts_a_second(category.probabilities, pages),
    )
    (MODELS / "category.md").write_text(card, encoding="utf-8")


def train_form(name: str, pages: list[Page]) -> None:
    """Train the web-type or the quality model and write its card."""
    train, describe, score = {
        "webtype": (form.train_webtype, cards.webtype_card, webtype.probabilities),
        "quality": (form.train_quality, cards.quality_card, quality.good_probability),
    }[name]
    unseen = train(pages, load_vocabulary(), MODELS)
    speed = cards.texts_a_second(score, pages)
    judged = [page for page in pages if page.kind]  # by reading, as their quality is
    card = describe(unseen, judged, megabytes=cards.megabytes(MODELS, name), speed=speed)
    (MODELS / f"{name}.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
