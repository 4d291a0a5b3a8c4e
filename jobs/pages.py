"""Pages that are to be labelled: those of a run, or of a file of JSON lines, and samples of them."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.documents import Documents
from pipeline.errors import UserError
from pipeline.extraction.decode import clean
from pipeline.run import open_run


@dataclass(frozen=True)
class Page:
    record_id: str
    text: str
    url: str = ""
    title: str = ""
    language: str = ""
    category: str = ""


def read_pages(source: str) -> Iterator[Page]:
    """The pages of a run's folder, or of a ``.jsonl`` file. Raises UserError where there are none to read."""
    return _of_file(Path(source)) if source.endswith(".jsonl") else _of_run(source)


def _of_run(path: str) -> Iterator[Page]:
    """What the models of a run see: the documents that rules and near dedup kept, with their edits."""
    run = open_run(path)
    if not run.folder.exists("ledger"):
        raise UserError(f"{path} has no ledger yet: let crawlmix run end first")
    for part in range(len(run.parts)):
        documents = Documents(run, part, "models")
        names = {name: documents.column(name) for name in ("record_id", "url", "title")}
        names["language"] = documents.signals("prepare", ["language"])["language"]
        names["category"] = documents.signals("models", ["category"])["category"]
        for rows, texts in documents.texts():
            columns = {name: column.take(pa.array(rows)).to_pylist() for name, column in names.items()}
            for number, text in enumerate(texts):
                yield Page(text=text, **{name: column[number] or "" for name, column in columns.items()})


def _of_file(path: Path) -> Iterator[Page]:
    """``text`` and, where a line has them, ``record_id`` (or ``id``), ``url``, ``title``, ``language``, ``category``.

    A line without an id is named by its text.
    """
    for number, row in read_rows(path):
        if not isinstance(row.get("text"), str):
            raise UserError(f"{path}, line {number}: there is no text")
        text = clean(row["text"])
        name = row.get("record_id") or row.get("id") or hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        others = {name: str(row.get(name) or "") for name in ("url", "title", "language", "category")}
        yield Page(str(name), text, **others)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines with their line numbers. Raises UserError for a line that is none."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError
                    yield number, row
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{path} is no file of JSON lines: each line must be an object, in UTF-8") from None


def choose(pages: Iterable[Page], count: int, by: str | None = None) -> set[str]:
    """The ids of ``count`` pages, drawn by the hash of the id: a larger sample of the same pages holds a smaller one.

    ``by`` is ``category`` or ``language``: one of each is drawn, then a second of each, until there are enough. Memory
    is bounded by ``count`` for each of them. Raises UserError where pages do not have it.
    """
    best: dict[str, list[tuple[int, str]]] = defaultdict(list)  # heaps, the largest draw on top
    for page in pages:
        stratum = getattr(page, by) if by else ""
        if by and not stratum:
            raise UserError(f"--by {by}: the page {page.record_id} has no {by}; give a run, or pages that name it")
        entry = (-int.from_bytes(hashlib.blake2b(page.record_id.encode(), digest_size=8).digest()), page.record_id)
        keep = heapq.heappush if len(best[stratum]) < count else heapq.heappushpop
        keep(best[stratum], entry)
    ranked = [
        (rank, -draw, record_id)
        for heap in best.values()
        for rank, (draw, record_id) in enumerate(sorted(heap, reverse=True))
    ]
    return {record_id for _, _, record_id in heapq.nsmallest(count, ranked)}
