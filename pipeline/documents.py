"""The documents of one part as a step sees them: texts with their edits, signals, and who is still there.

All files of a part hold its documents row for row. A step reads the verdicts of the steps before it alone, never its
own or later ones, which may stem from an earlier config.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.run import Run, part_name

# The files below verdicts/, in the order in which they were decided.
VERDICTS = ("language", "exact", "rules", "near", "models", "semantic")
VERDICT = pa.schema({"step": pa.string(), "reason": pa.string(), "detail": pa.string()})
BATCH = 256  # documents that a model or a kernel gets at once


class Documents:
    """Documents of part ``part`` that were kept by all steps before ``step``."""

    def __init__(self, run: Run, part: int, step: str) -> None:
        self.run, self.part, self.step = run, part, step
        self.verdicts = self._verdicts(VERDICTS[: VERDICTS.index(step)] if step in VERDICTS else VERDICTS)
        self.kept = self.verdicts["reason"].is_null().to_numpy(zero_copy_only=False)
        self.rows = np.flatnonzero(self.kept)
        self._facts: pa.Table | None = None

    def __len__(self) -> int:
        """Documents of the part, kept or not."""
        return len(self.kept)

    def column(self, name: str) -> pa.ChunkedArray:
        return self._read("documents", [name])[name]

    def signals(self, folder: str, columns: list[str] | None = None) -> pa.Table:
        return self._read(f"signals/{folder}", columns)

    def facts(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """What the extractor measured of the pages of these rows, with their URLs."""
        if self._facts is None:
            self._facts = self.signals("prepare", ["facts"]).append_column("url", self.column("url"))
        pages = self._facts.take(pa.array(rows)).to_pylist()
        return [json.loads(page["facts"]) | {"url": page["url"]} for page in pages]

    def texts(self, edited: bool = True) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Rows and texts of the kept documents in batches; ``edited``: without the lines that line dedup took out."""
        from pipeline.dedup.lines import remove

        texts = self.column("text")
        edits = self._read("edits/lines", ["lines"])["lines"] if edited else None
        for start in range(0, len(self.rows), BATCH):
            rows = self.rows[start : start + BATCH]
            batch = texts.take(pa.array(rows)).to_pylist()
            if edits is not None:
                lines = edits.take(pa.array(rows)).to_pylist()
                batch = [remove(text, out) if out else text for text, out in zip(batch, lines, strict=True)]
            yield rows, batch

    def write_signals(self, folder: str, table: pa.Table) -> None:
        """Signals of the kept documents (a row for each of ``rows``); the others get nulls."""
        self.run.folder.write_table(f"signals/{folder}/{part_name(self.part)}.parquet", spread(table, self.kept))

    def write_verdicts(
        self, steps: Sequence[str | None], reasons: Sequence[str | None], details: Sequence[str | None]
    ) -> None:
        """A verdict for each of ``rows``: step and reason, null where kept."""
        table = pa.table([pa.array(c, pa.string()) for c in (steps, reasons, details)], schema=VERDICT)
        name = f"verdicts/{self.step}/{part_name(self.part)}.parquet"
        self.run.folder.write_table(name, spread(table, self.kept))

    def _read(self, folder: str, columns: list[str] | None) -> pa.Table:
        return self.run.folder.read_table(f"{folder}/{part_name(self.part)}.parquet", columns)

    def _verdicts(self, names: Sequence[str]) -> pa.Table:
        """The first verdict of each document over the files ``names``."""
        tables = [self._read(f"verdicts/{name}", None) for name in names]
        if not tables:
            rows = self.column("record_id")
            return pa.table([pa.nulls(len(rows), pa.string())] * 3, schema=VERDICT)
        return pa.table([pc.coalesce(*[table[name] for table in tables]) for name in VERDICT.names], schema=VERDICT)


def spread(table: pa.Table, kept: np.ndarray) -> pa.Table:
    """``table``'s rows at the places where ``kept`` is true, nulls elsewhere."""
    places = np.full(len(kept), -1, np.int64)
    places[kept] = np.arange(table.num_rows)
    return table.take(pa.array(places, mask=places < 0)).combine_chunks()


def in_batches(
    documents: Documents, measure: Callable[[np.ndarray, list[str]], pa.Table], empty: pa.Schema
) -> pa.Table:
    """What ``measure`` says of the edited texts, batch by batch; ``empty`` is the schema where there is none."""
    tables = [measure(rows, texts) for rows, texts in documents.texts()]
    return pa.concat_tables(tables) if tables else empty.empty_table()
