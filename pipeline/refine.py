"""Stage 2, refine: line dedup between documents → rules → near dedup."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

import rules
from classifiers import quality
from pipeline.dedup import lines, near
from pipeline.documents import Documents, in_batches, spread
from pipeline.exchange import Exchange
from pipeline.prepare import drop_beaten, identified
from pipeline.run import Counts, Phase, Run, Step, over_partitions, over_parts, part_name


def send_lines(run: Run, index: int) -> Counts:
    """The heads and tails of all documents, a row a line."""
    documents = Documents(run, index, "rules")
    tables = [lines.keys([])]
    for rows, texts in documents.texts(edited=False):
        table = lines.keys(texts)
        tables.append(table.set_column(table.column_names.index("row"), "row", _own_rows(table, rows)))
    table = pa.concat_tables(tables)
    table = table.append_column("part", pa.array(np.full(table.num_rows, index, np.int32)))
    Exchange(run, "lines").send(index, table)
    return Counts(records=len(documents.rows), kept=len(documents.rows))


def _own_rows(table: pa.Table, rows: np.ndarray) -> pa.Array:
    """Row numbers of the part for row numbers of a batch."""
    return pa.array(rows[table["row"].to_numpy()].astype(np.int32))


def count_lines(run: Run, partition: int) -> Counts:
    exchange = Exchange(run, "lines")
    exchange.answer(partition, lines.reduce(exchange.received(partition), run.config.refine.lines.keep))
    return Counts()


def cut_lines(run: Run, index: int) -> Counts:
    """Stores the lines to take out of each document as an edit; the text stays as it is."""
    documents = Documents(run, index, "rules")
    out: dict[int, list[int]] = {row: [] for row in documents.rows.tolist()}
    answers = Exchange(run, "lines").answers(index)
    for row, line in zip(answers["row"].to_pylist(), answers["line"].to_pylist(), strict=True):
        out[row].append(line)
    edits = pa.table({"lines": pa.array([sorted(cut) for cut in out.values()], pa.list_(pa.int32()))})
    run.folder.write_table(f"edits/lines/{part_name(index)}.parquet", spread(edits, documents.kept))
    counts = Counts(records=len(out), kept=len(out))
    counts.extra["lines"] = answers.num_rows
    return counts


def measure_rules(run: Run, index: int) -> Counts:
    """All rules' signals, and the quality: near dedup keeps the best copy, so it has to know it."""
    documents = Documents(run, index, "rules")
    counts = Counts(records=len(documents.rows), kept=len(documents.rows))
    languages, urls, titles = (
        documents.signals("prepare", ["language"])["language"],
        documents.column("url"),
        documents.column("title"),
    )

    def measure(rows: np.ndarray, texts: list[str]) -> pa.Table:
        at = pa.array(rows)
        with counts.timed("rules"):
            table = rules.measure(texts, *(column.take(at).to_pylist() for column in (languages, urls, titles)))
        with counts.timed("quality"):
            good = quality.good_probability(texts)
        return table.append_column("quality", pa.array(good, pa.float32()))

    empty = rules.measure([], []).schema.append(pa.field("quality", pa.float32()))
    documents.write_signals("rules", in_batches(documents, measure, empty))
    return counts


def decide_rules(run: Run, index: int) -> Counts:
    """Verdicts of the rules: a pure function of signals and thresholds."""
    documents = Documents(run, index, "rules")
    kept = pa.array(documents.rows)
    languages = documents.signals("prepare", ["language"])["language"].take(kept)
    thresholds = rules.load_thresholds(run.config.refine.thresholds)
    reasons = rules.decide(documents.signals("rules").take(kept), languages, thresholds).to_pylist()
    if run.config.refine.pii == "drop":
        personal = rules.pii.found(documents.signals("rules").take(kept))
        reasons = [reason or ("pii.found" if has else None) for reason, has in zip(reasons, personal, strict=True)]
    documents.write_verdicts(["rules" if reason else None for reason in reasons], reasons, [None] * len(reasons))
    counts = Counts(records=len(reasons), kept=sum(reason is None for reason in reasons))
    counts.dropped.update(reason for reason in reasons if reason)
    return counts


def send_bands(run: Run, index: int) -> Counts:
    """A row for each of a document's bands, with what ranks it among its copies."""
    documents = Documents(run, index, "near")
    settings = run.config.refine.near
    keys = [np.empty((0, settings.bands), np.uint64)]
    lengths = [np.empty(0, np.int64)]
    for _, texts in documents.texts():
        keys.append(near.signatures(texts, bands=settings.bands, rows=settings.rows, ngram=settings.ngram))
        lengths.append(np.array([len(text) for text in texts], np.int64))
    measured = documents.signals("rules", ["quality"])["quality"].take(pa.array(documents.rows))
    one = identified(documents, index, {"quality": measured, "length": np.concatenate(lengths)})
    each = one.take(pa.array(np.repeat(np.arange(one.num_rows), settings.bands)))
    Exchange(run, "near").send(index, each.append_column("key", pa.array(np.concatenate(keys).reshape(-1))))
    return Counts(records=one.num_rows, kept=one.num_rows)


def find_near(run: Run, partition: int) -> Counts:
    exchange = Exchange(run, "near")
    exchange.answer(partition, near.reduce(exchange.received(partition)))
    return Counts()


def drop_near(run: Run, index: int) -> Counts:
    answers = near.combine(Exchange(run, "near").answers(index))
    return drop_beaten(Documents(run, index, "near"), answers, "near", "near_duplicate")


LINES = Step(
    stage="refine",
    name="lines",
    phases=(
        Phase("send", send_lines, over_parts),
        Phase("reduce", count_lines, over_partitions),
        Phase("cut", cut_lines, over_parts),
    ),
    settings=("refine.lines",),
    code=("pipeline/dedup/lines.py",),
    outputs=("edits/lines",),
    scratch=("exchange/lines",),
)

RULES = Step(
    stage="refine",
    name="rules",
    phases=(Phase("measure", measure_rules, over_parts), Phase("decide", decide_rules, over_parts)),
    settings=("refine.thresholds", "refine.pii"),
    code=("rules", "classifiers/quality.py", "classifiers/features.py", "classifiers/models", "pipeline/refine.py"),
    outputs=("signals/rules", "verdicts/rules"),
)

NEAR = Step(
    stage="refine",
    name="near",
    phases=(
        Phase("send", send_bands, over_parts),
        Phase("reduce", find_near, over_partitions),
        Phase("drop", drop_near, over_parts),
    ),
    settings=("refine.near",),
    code=("pipeline/dedup/near.py", "pipeline/dedup/ranking.py", "pipeline/dedup/segment.py"),
    outputs=("signals/near", "verdicts/near"),
    scratch=("exchange/near",),
)

STEPS = (LINES, RULES, NEAR)
