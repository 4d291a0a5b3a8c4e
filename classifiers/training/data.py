"""Labelled texts for training: pages that were read, and corpora with a category for each document.

Their texts lie outside the repository, in a folder ``shared``: ``corpus/labelled-*.parquet``,
``corpus/labelled-pages.csv``, ``extraction/dev.parquet`` and ``crawl/dev-*.warc.gz``. Models keep hashes and weights of
them, no text. In the repository are labels of more pages, lists of words, and short texts written for the purpose.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from classifiers.taxonomy import load_taxonomy
from pipeline.errors import UserError
from pipeline.extraction import make_extractor
from pipeline.reading import Part, read

FOLDS = 5
WORDS = Path(__file__).with_name("words_zh.yaml")
TEXTS = Path(__file__).with_name("texts")
LABELS = Path(__file__).with_name("labels") / "pages.csv"
PAGE_TEXT = pa.schema({name: pa.string() for name in ("page", "text", "facts", "page_type")})


@dataclass(frozen=True)
class Page:
    """A web page that was labelled by reading; ``kind`` "" and ``quality`` None where that was not judged."""

    text: str
    language: str
    site: str
    leaf: str
    second: str = ""  # the next best leaf
    sure: int = 3  # 3 clear to 1 doubtful
    kind: str = ""  # web type
    quality: int | None = None  # 0 to 3
    facts: dict[str, Any] = field(default_factory=dict)
    page_type: str = ""  # what the page's collection says of its web type, in words of its own


@dataclass(frozen=True)
class Document:
    """A document of a corpus; ``source`` is the collection it comes from."""

    text: str
    language: str
    leaf: str
    source: str


def load_pages(shared: Path, cache: Path) -> list[Page]:
    """Pages of ``labelled-pages.csv`` and of ``labels/pages.csv``; their texts are extracted once, into ``cache``."""
    labels = _read_labels(_existing(shared / "corpus" / "labelled-pages.csv")) + _read_labels(LABELS)
    wanted = {row["page"] for row in labels}
    if not cache.exists() or not wanted <= set(pq.read_table(cache, columns=["page"])["page"].to_pylist()):
        _write_texts(shared, wanted, cache)
    stored = {row["page"]: row for row in pq.read_table(cache).to_pylist()}
    return [_page(row, stored[row["page"]]) for row in labels if row["page"] in stored]


def load_chinese_pages(shared: Path) -> list[Page]:
    """Labelled Chinese pages of Common Crawl, many of them spam; they come as text, without facts."""
    rows = pq.read_table(_existing(shared / "corpus" / "labelled-commoncrawl-zh.parquet")).to_pylist()
    return [
        Page(
            text=row["text"],
            language=row["lang"],
            site=row["site"],
            leaf=row["category"],
            second=row["second"],
            sure=row["sure"],
            kind=row["type"],
            quality=row["quality"],
        )
        for row in rows
    ]


def load_corpus(shared: Path, names: tuple[str, ...] = ("train", "extra")) -> list[Document]:
    """Documents of the labelled corpora but for the pages among them, which ``load_pages`` gives with better labels."""
    documents = []
    for name in names:
        for row in pq.read_table(_existing(shared / "corpus" / f"labelled-{name}.parquet")).to_pylist():
            source = row["id"].partition(":")[0]
            if source != "wcxb_dev":
                documents.append(Document(row["text"], row["lang"], row["category"], source))
    return documents


def load_words(seed: int = 0) -> list[Document]:
    """Short documents of words that tell a leaf in Chinese: three random choices of two thirds of a leaf's words."""
    choose = random.Random(seed)
    lists = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    return [
        Document(" ".join(choose.sample(words, len(words) * 2 // 3)), "zh", leaf, "words")
        for leaf, words in ((leaf, str(line).split()) for leaf, line in lists.items())
        for _ in range(3)
    ]


def load_texts() -> list[Document]:
    """Short original texts for leaves that have few documents in a language."""
    return [
        Document(text, language, leaf, "written")
        for language in ("en", "zh")
        for leaf, texts in yaml.safe_load((TEXTS / f"{language}.yaml").read_text(encoding="utf-8")).items()
        for text in texts
    ]


def folds_of(pages: list[Page]) -> NDArray[np.int64]:
    """The fold (0 to 4) of each page; all pages of a site are in one."""
    digests = (hashlib.blake2b(page.site.encode(), digest_size=8).digest() for page in pages)
    return np.array([int.from_bytes(digest, "big") % FOLDS for digest in digests])


def leaf_numbers(leaves: list[str]) -> NDArray[np.int64]:
    """The place of each leaf in the taxonomy."""
    number = {leaf: place for place, leaf in enumerate(load_taxonomy().leaves)}
    return np.array([number[leaf] for leaf in leaves], np.int64)


def _read_labels(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"{path} is missing: give the folder of the labelled data with --shared.")
    return path


def _page(label: dict[str, str], stored: dict[str, str]) -> Page:
    return Page(
        text=stored["text"],
        language=label["lang"],
        site=label["site"],
        leaf=label["leaf"],
        second=label["second"],
        sure=int(label["sure"]),
        kind=label["type"],
        quality=int(label["quality"]) if label["quality"] else None,
        facts=json.loads(stored["facts"]),
        page_type=stored["page_type"],
    )


def _write_texts(shared: Path, wanted: set[str], cache: Path) -> None:
    """Extract the wanted pages: the main text given by hand where there is one, and facts of the page."""
    extractor = make_extractor()
    rows = []
    for page in _raw_pages(shared):
        if page["page"] in wanted:
            extracted = extractor.extract(page["html"], page["url"])
            facts = json.dumps(extracted.facts | {"url": page["url"] or ""}, ensure_ascii=False)
            text = page["gold_text"] or extracted.text
            rows.append({"page": page["page"], "text": text, "facts": facts, "page_type": page["page_type"] or ""})
    extractor.close()
    cache.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, PAGE_TEXT), cache)


def _raw_pages(shared: Path) -> Iterator[dict[str, Any]]:
    """Name, URL, HTML, main text by hand and page type of every page that can have a label."""
    columns = ["id", "url", "html", "gold_text", "page_type"]
    for batch in pq.ParquetFile(_existing(shared / "extraction" / "dev.parquet")).iter_batches(100, columns=columns):
        for row in batch.to_pylist():
            yield row | {"page": f"extraction:{row['id']}"}
    for path in sorted((shared / "crawl").glob("dev-*.warc.gz")):
        for record in read(Part(str(path))):
            if record.reason is None:
                page = {"page": record.url, "url": record.url, "html": record.body}
                yield page | {"gold_text": None, "page_type": None}
