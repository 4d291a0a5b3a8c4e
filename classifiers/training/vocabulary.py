"""Choose the buckets that the models know: those in most documents, with English and Chinese about even."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from classifiers.features import BUCKET_BITS, Vocabulary, count_features, every_bucket, make_vocabulary
from classifiers.model_file import write_model
from classifiers.training.data import Document, Page

SIZE = 97_000
CAP = 80  # documents of a leaf and source, so that no collection rules the counts
CHINESE_FACTOR = 1.5  # Chinese documents are fewer
BATCH = 1000


def capped(documents: list[Document], cap: int, seed: int = 0) -> list[Document]:
    """At most ``cap`` documents, chosen at random, of each leaf and source; the order of ``documents`` is kept."""
    seen: Counter[tuple[str, str]] = Counter()
    chosen = []
    for place in np.random.default_rng(seed).permutation(len(documents)):
        key = (documents[place].leaf, documents[place].source)
        seen[key] += 1
        if seen[key] <= cap:
            chosen.append(place)
    return [documents[place] for place in sorted(chosen)]


def train(pages: list[Page], corpus: list[Document], folder: Path) -> Vocabulary:
    """Write the vocabulary into ``folder``; idf is ln(1 + documents / documents with the bucket)."""
    documents = capped(corpus, CAP)
    frequency = np.zeros(1 << BUCKET_BITS)
    for language, factor in (("en", 1.0), ("zh", CHINESE_FACTOR)):
        texts = [page.text for page in pages if page.language == language]
        texts += [document.text for document in documents if document.language == language]
        for at in range(0, len(texts), BATCH):
            _, buckets, *_ = count_features(texts[at : at + BATCH], every_bucket())
            frequency += factor * np.bincount(buckets, minlength=len(frequency))
    chosen = np.sort(np.argsort(-frequency, kind="stable")[:SIZE])
    total = len(pages) + len(documents)
    idf = np.log1p(total / (1 + frequency[chosen])).astype(np.float16)
    unknown_idf = np.log1p(np.array(total, np.float32))
    write_model("vocabulary", {"buckets": chosen.astype(np.int32), "idf": idf, "unknown_idf": unknown_idf}, folder)
    return make_vocabulary(chosen, idf.astype(np.float32), float(unknown_idf))
