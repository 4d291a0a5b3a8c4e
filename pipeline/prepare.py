"""Stage 1, prepare: records → URL rules → text → language → exact dedup. Text is written once, here."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers import language
from pipeline import config
from pipeline.dedup import exact
from pipeline.documents import BATCH, VERDICT, Documents
from pipeline.exchange import Exchange
from pipeline.extraction import Extractor, make_extractor
from pipeline.reading import Limits, read
from pipeline.run import Counts, Phase, Run, Step, file_sha256, over_partitions, over_parts, part_name
from pipeline.schema import DOCUMENTS, RECORDS, Record, record_id
from rules.url import UrlRules

PREPARE_SIGNALS = pa.schema(
    {
        "language": pa.string(),
        "language.confidence": pa.float32(),
        "languages": pa.string(),  # JSON: the best three with their confidence
        "charset": pa.string(),
        "facts": pa.string(),  # JSON: what the extractor measured of the page
        "removed": pa.string(),  # JSON: [[text, reason, line before which it stood], …], where the extractor tells
    }
)


@dataclass
class Book:
    """What one part's records become: rows of records/, documents/ and signals/."""

    file: str
    records: list[dict[str, Any]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    signals: list[dict[str, Any]] = field(default_factory=list)

    def enter(self, record: Record, step: str, reason: str | None, quarantined: bool = False, detail: str = "") -> None:
        self.records.append(
            {
                "record_id": record_id(self.file, record.offset),
                "file": self.file,
                "offset": record.offset,
                "length": record.length,
                "url": record.url,
                "step": step,
                "reason": reason,
                "quarantined": quarantined,
                "detail": detail or None,
                "document": None if reason else len(self.documents),
            }
        )

    def write(self, run: Run, part: int, verdicts: list[dict[str, str | None]]) -> None:
        name = f"{part_name(part)}.parquet"
        run.folder.write_table(f"records/{name}", pa.Table.from_pylist(self.records, RECORDS))
        run.folder.write_table(f"documents/{name}", pa.Table.from_pylist(self.documents, DOCUMENTS))
        run.folder.write_table(f"signals/prepare/{name}", pa.Table.from_pylist(self.signals, PREPARE_SIGNALS))
        run.folder.write_table(f"verdicts/language/{name}", pa.Table.from_pylist(verdicts, VERDICT))


def write_documents(run: Run, index: int) -> Counts:
    """Reads part ``index`` to its end and writes its records, documents, first signals and language verdicts."""
    part, settings = run.parts[index], run.config.prepare
    counts, book = Counts(), Book(part.path)
    for record in _timed(read(part, Limits(max_page_bytes=settings.extraction.max_page_bytes)), counts):
        _enter(record, book, settings, counts)
        counts.records += 1
        if run.report:
            run.report(counts)
    with counts.timed("language"):
        verdicts = _languages(book, settings.language)
    with counts.timed("write"):
        book.write(run, index, verdicts)
    counts.dropped.update(verdict["reason"] for verdict in verdicts if verdict["reason"])
    counts.kept = sum(verdict["reason"] is None for verdict in verdicts)
    counts.extra["documents"] = len(book.documents)
    return counts


def _timed(records: Iterator[Record], counts: Counts) -> Iterator[Record]:
    while True:
        with counts.timed("read"):
            record = next(records, None)
        if record is None:
            return
        yield record


def _enter(record: Record, book: Book, settings: config.Prepare, counts: Counts) -> None:
    """Takes one record as far as it goes: passed over, refused by a URL rule, without text, or a document."""
    if record.reason:
        counts.dropped[record.reason] += 1
        return book.enter(record, "read", record.reason, record.quarantined, record.detail)
    with counts.timed("url"):
        rules = url_rules(settings.url)
        reason = rules.reason(record.url)
    if reason:
        counts.dropped[reason] += 1
        return book.enter(record, "url", reason, detail=rules.explain(record.url))
    counts.extra["pages"] += 1
    with counts.timed("extract"):
        page = page_extractor(settings.extraction).page(record)
    if page.reason:
        counts.dropped[page.reason] += 1
        return book.enter(record, "extract", page.reason, page.quarantined, page.detail)
    book.enter(record, "language", None)
    book.documents.append(
        {
            "record_id": book.records[-1]["record_id"],
            "url": record.url,
            "date": page.date or record.date,
            "title": page.title,
            "text": page.text,
        }
    )
    facts = json.dumps(page.facts, ensure_ascii=False, sort_keys=True)
    removed = json.dumps(page.removed.rows(), ensure_ascii=False) if page.removed.texts else None
    book.signals.append({"charset": page.charset, "facts": facts, "removed": removed})


@functools.cache
def url_rules(settings: config.Url) -> UrlRules:
    return UrlRules.load(settings.lists, settings.allow)


@functools.cache
def page_extractor(settings: config.Extraction) -> Extractor:
    return make_extractor(
        settings.extractor,
        comments=settings.comments,
        markdown=settings.format == "markdown",
        model=settings.model,
        max_page_bytes=settings.max_page_bytes,
        max_tags=settings.max_tags,
        max_depth=settings.max_depth,
        timeout_s=settings.timeout_seconds,
    )


def own_files(settings: config.Config) -> list[str]:
    """What the user's own URL lists and extraction model say, as hashes."""
    model = settings.prepare.extraction.model
    files = [*settings.prepare.url.lists, *([f"{model}/clutter.npz"] if model else [])]
    return [file_sha256(Path(path)) for path in files]


def _languages(book: Book, settings: config.Language) -> list[dict[str, str | None]]:
    """Writes the languages into the book's signals; returns the verdicts."""
    verdicts: list[dict[str, str | None]] = []
    for start in range(0, len(book.documents), BATCH):
        texts = [document["text"] for document in book.documents[start : start + BATCH]]
        for signals, languages in zip(book.signals[start:], language.identify(texts), strict=False):
            best, confidence = languages[0] if languages else ("und", 0.0)
            signals["language"], signals["language.confidence"] = best, confidence
            signals["languages"] = json.dumps([[name, round(share, 4)] for name, share in languages])
            reason = None
            if confidence < settings.confidence:
                reason = "language.low_confidence"
            elif settings.keep and best not in settings.keep:
                reason = "language.not_wanted"
            verdicts.append(
                {"step": "language" if reason else None, "reason": reason, "detail": best if reason else None}
            )
    return verdicts


def lost_part(run: Run, index: int) -> Counts:
    """A part that killed its worker again and again: all of it is one quarantined row."""
    part = run.parts[index]
    book = Book(part.path)
    length = (part.end or run.folder.fs.size(part.path)) - part.start
    book.enter(Record(offset=part.start, length=length), "read", "part.crashed", True, "its worker died three times")
    book.write(run, index, [])
    counts = Counts(records=1)
    counts.dropped["part.crashed"] = 1
    return counts


def send_digests(run: Run, index: int) -> Counts:
    """The key of every document's normal form goes to its partition."""
    documents = Documents(run, index, "exact")
    keys, lengths = [np.empty((0, 2), np.uint64)], [np.empty(0, np.int64)]
    for _, texts in documents.texts(edited=False):
        keys.append(np.stack(exact.keys(texts), axis=1))
        lengths.append(np.array([len(text) for text in texts], np.int64))
    both = np.concatenate(keys)
    rows = identified(documents, index, {"key": both[:, 0], "key2": both[:, 1], "length": np.concatenate(lengths)})
    Exchange(run, "exact").send(index, rows)
    return Counts(records=len(documents.rows), kept=len(documents.rows))


def identified(documents: Documents, part: int, columns: dict[str, Any]) -> pa.Table:
    """Columns of the kept documents with part, row and record_id beside them."""
    rows = pa.array(documents.rows, pa.int32())
    names = documents.column("record_id").take(rows)
    return pa.table({**columns, "part": np.full(len(rows), part, np.int32), "row": rows, "record_id": names})


def find_copies(run: Run, partition: int) -> Counts:
    exchange = Exchange(run, "exact")
    exchange.answer(partition, exact.reduce(exchange.received(partition)))
    return Counts()


def drop_copies(run: Run, index: int) -> Counts:
    return drop_beaten(
        Documents(run, index, "exact"), Exchange(run, "exact").answers(index), "exact", "exact_duplicate"
    )


def drop_beaten(documents: Documents, answers: pa.Table, step: str, reason: str) -> Counts:
    """Drops documents that an answer names a keeper for; stores the copies of those that stay as a signal."""
    keepers: dict[int, str] = {}
    copies: dict[int, int] = {}
    for row, keeper, count in zip(*(answers[name].to_pylist() for name in ("row", "keeper", "copies")), strict=True):
        if keeper is None:
            copies[row] = max(count, copies.get(row, 1))
        else:
            keepers[row] = keeper
    beaten = [keepers.get(row) for row in documents.rows.tolist()]
    documents.write_verdicts(
        [step if keeper else None for keeper in beaten],
        [reason if keeper else None for keeper in beaten],
        [f"a copy of {keeper}" if keeper else None for keeper in beaten],
    )
    documents.write_signals(
        step,
        pa.table({f"{step}.copies": pa.array([copies.get(row, 1) for row in documents.rows.tolist()], pa.int32())}),
    )
    dropped = sum(keeper is not None for keeper in beaten)
    counts = Counts(records=len(beaten), kept=len(beaten) - dropped)
    counts.dropped[reason] = dropped
    return counts


DOCUMENTS_STEP = Step(
    stage="prepare",
    name="documents",
    phases=(Phase("write", write_documents, over_parts, lost_part),),
    settings=("prepare",),
    code=(
        "pipeline/prepare.py",
        "pipeline/schema.py",
        "pipeline/storage.py",
        "pipeline/reading",
        "pipeline/extraction",
        "rules/url.py",
        "rules/blocklist.py",
        "rules/lists",
        "rules/allowed_domains.txt",
        "classifiers/language.py",
        "classifiers/models/lid.176.ftz",
        "classifiers/models/clutter.npz",
    ),
    outputs=("records", "documents", "signals/prepare", "verdicts/language"),
    depends_on=own_files,
)

EXACT = Step(
    stage="prepare",
    name="exact",
    phases=(
        Phase("send", send_digests, over_parts),
        Phase("reduce", find_copies, over_partitions),
        Phase("drop", drop_copies, over_parts),
    ),
    settings=(),
    code=("pipeline/dedup/exact.py", "pipeline/dedup/ranking.py", "pipeline/exchange.py", "pipeline/documents.py"),
    outputs=("signals/exact", "verdicts/exact"),
    scratch=("exchange/exact",),
)

STEPS = (DOCUMENTS_STEP, EXACT)
