"""Stage 2, refine: site rules and line dedup between documents → rules → near dedup."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

import rules
from classifiers import backends
from pipeline import earlier
from pipeline.config import Config
from pipeline.dedup import lines, near
from pipeline.documents import Documents, in_batches, spread
from pipeline.exchange import Exchange
from pipeline.prepare import drop_beaten, identified
from pipeline.run import Counts, Phase, Run, Step, file_sha256, over_partitions, over_parts, part_name
from rules import sites

SITE_EDITS = pa.schema(
    {
        "lines": pa.list_(pa.int32()),  # numbers of the lines that the rules of the document's site take out
        "reason": pa.string(),  # the note of these rules, null where they take out nothing
    }
)


@functools.cache
def site_rules(folders: tuple[str, ...]) -> Mapping[str, sites.SiteRules]:
    return sites.load(*folders)


def send_lines(run: Run, index: int) -> Counts:
    """The heads and tails of all documents, a row a line; what their sites' rules take out is stored and not sent."""
    documents = Documents(run, index, "rules")
    by_site, urls = site_rules(run.config.refine.sites), documents.column("url")
    tables, edits = [lines.keys([])], []
    for rows, texts in documents.texts(edited=False):
        left, edited = apply_site_rules(by_site, urls.take(pa.array(rows)).to_pylist(), texts)
        table = lines.keys(left)
        tables.append(table.set_column(table.column_names.index("row"), "row", _own_rows(table, rows)))
        edits += edited
    table = pa.concat_tables(tables)
    table = table.append_column("part", pa.array(np.full(table.num_rows, index, np.int32)))
    Exchange(run, "lines").send(index, table)
    edits_table = spread(pa.Table.from_pylist(edits, SITE_EDITS), documents.kept)
    run.folder.write_table(f"edits/sites/{part_name(index)}.parquet", edits_table)
    return Counts(records=len(documents.rows), kept=len(documents.rows))


def apply_site_rules(
    by_site: Mapping[str, sites.SiteRules], urls: list[str], texts: list[str]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Texts as line dedup counts them (nothing of a page that will be dropped), a row of ``SITE_EDITS`` for each."""
    left: list[str] = []
    edits: list[dict[str, Any]] = []
    for url, text in zip(urls, texts, strict=True):
        own = sites.rules_of(by_site, url)
        dropped = own is not None and own.drops(url)
        cut = own.cuts(text) if own and not dropped else []
        left.append("" if dropped else lines.blank(text, cut))
        edits.append({"lines": cut, "reason": own.reason if own and cut else None})
    return left, edits


def _own_rows(table: pa.Table, rows: np.ndarray) -> pa.Array:
    """Row numbers of the part for row numbers of a batch."""
    return pa.array(rows[table["row"].to_numpy()].astype(np.int32))


def count_lines(run: Run, partition: int) -> Counts:
    """Answers the lines to take out; stores how often each was seen, here and in earlier runs, for later runs."""
    exchange = Exchange(run, "lines")
    received, before = exchange.received(partition), earlier.line_counts(run, partition)
    exchange.answer(partition, lines.reduce(received, run.config.refine.lines.keep, before))
    counts = lines.add_up([before, lines.count(received)])
    run.folder.write_table(f"{earlier.COUNTS}/{part_name(partition)}.parquet", counts)
    return Counts()


def cut_lines(run: Run, index: int) -> Counts:
    """Stores the lines to take out of each document as an edit, for either reason; the text stays as it is."""
    documents = Documents(run, index, "rules")
    by_site = run.folder.read_table(f"edits/sites/{part_name(index)}.parquet", ["lines"])["lines"]
    rows = documents.rows.tolist()
    out: dict[int, list[int]] = dict(zip(rows, by_site.take(pa.array(rows, pa.int64())).to_pylist(), strict=True))
    site_lines = sum(map(len, out.values()))
    answers = Exchange(run, "lines").answers(index)
    for row, line in zip(answers["row"].to_pylist(), answers["line"].to_pylist(), strict=True):
        out[row].append(line)
    edits = pa.table({"lines": pa.array([sorted(cut) for cut in out.values()], pa.list_(pa.int32()))})
    run.folder.write_table(f"edits/lines/{part_name(index)}.parquet", spread(edits, documents.kept))
    counts = Counts(records=len(out), kept=len(out))
    counts.extra["lines"] = answers.num_rows
    counts.extra["site_lines"] = site_lines
    return counts


def lines_depend_on(config: Config) -> list[str]:
    """What the user's site rules say, by name, and what earlier runs counted, as hashes."""
    files = [file for folder in config.refine.sites for file in sites.files(folder)]
    counted = [run.folder.read_json(earlier.MANIFEST)["files_sha256"] for run in earlier.runs(config)]
    return [f"{file.name} {file_sha256(file)}" for file in files] + counted


def measure_rules(run: Run, index: int) -> Counts:
    """All rules' signals, and the quality: near dedup keeps the best copy, so it has to know it."""
    documents = Documents(run, index, "rules")
    counts = Counts(records=len(documents.rows), kept=len(documents.rows))
    languages = documents.signals("prepare", ["language"])["language"]
    columns = (languages, documents.column("url"), documents.column("title"))

    def measure(rows: np.ndarray, texts: list[str]) -> pa.Table:
        at = pa.array(rows)
        with counts.timed("rules"):
            table = rules.measure(texts, *(column.take(at).to_pylist() for column in columns))
        with counts.timed("quality"):
            good = backends.good_probability(texts, documents.facts(rows), run.config.balance.models.quality_model)
        return table.append_column("quality", pa.array(good, pa.float32()))

    empty = rules.measure([], []).schema.append(pa.field("quality", pa.float32()))
    documents.write_signals("rules", in_batches(documents, measure, empty))
    return counts


def given_quality_model(config: Config) -> list[str]:
    """What the user's own quality model holds, as hashes."""
    return backends.fingerprint(config.balance.models.quality_model)


def decide_rules(run: Run, index: int) -> Counts:
    """Verdicts of the rules: a pure function of URLs, signals and thresholds. Site rules go first."""
    documents = Documents(run, index, "rules")
    kept = pa.array(documents.rows)
    languages = documents.signals("prepare", ["language"])["language"].take(kept)
    signals = documents.signals("rules").take(kept)
    thresholds = rules.load_thresholds(run.config.refine.thresholds)
    reasons = rules.decide(signals, languages, thresholds).to_pylist()
    details = [
        rules.explain(reason, row, language, thresholds) if reason else None
        for reason, row, language in zip(reasons, signals.to_pylist(), languages.to_pylist(), strict=True)
    ]
    if run.config.refine.pii == "drop":
        personal = rules.pii.found(signals)
        reasons = [reason or ("pii.found" if has else None) for reason, has in zip(reasons, personal, strict=True)]
    notes = drop_notes(site_rules(run.config.refine.sites), documents.column("url").take(kept).to_pylist())
    reasons = [reason if note is None else "site.url" for reason, note in zip(reasons, notes, strict=True)]
    details = [detail if note is None else note for detail, note in zip(details, notes, strict=True)]
    documents.write_verdicts(["rules" if reason else None for reason in reasons], reasons, details)
    counts = Counts(records=len(reasons), kept=sum(reason is None for reason in reasons))
    counts.dropped.update(reason for reason in reasons if reason)
    return counts


def drop_notes(by_site: Mapping[str, sites.SiteRules], urls: list[str]) -> list[str | None]:
    """The note of the site rules that drop a URL, None where it stays."""
    found = [sites.rules_of(by_site, url) for url in urls]
    return [own.reason if own and own.drops(url) else None for own, url in zip(found, urls, strict=True)]


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
    settings=("refine.lines.keep",),
    code=(
        "pipeline/refine.py",
        "pipeline/earlier.py",
        "pipeline/dedup/lines.py",
        "rules/lines.py",
        "rules/sites.py",
        "rules/sites",
    ),
    outputs=("edits/lines", "edits/sites", earlier.COUNTS),
    scratch=("exchange/lines",),
    depends_on=lines_depend_on,
)

RULES = Step(
    stage="refine",
    name="rules",
    phases=(Phase("measure", measure_rules, over_parts), Phase("decide", decide_rules, over_parts)),
    settings=("refine.thresholds", "refine.pii"),
    code=(
        "rules",
        "classifiers/backends.py",
        "classifiers/quality.py",
        "classifiers/features.py",
        "classifiers/models",
    ),
    outputs=("signals/rules", "verdicts/rules"),
    depends_on=given_quality_model,
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
