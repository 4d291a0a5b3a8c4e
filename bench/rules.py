"""What the rules drop, on pages whose quality readers have judged: `python bench/rules.py`.

For each language and for good (quality 2 or 3) and bad (0 or 1) pages: the share that is dropped, by each rule, and by
this rule alone (no other rule drops the page). Pages with hand-made main text are measured on it; pages of the crawl on
what the default extractor makes of them. The data is not part of the project.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder would hide the packages of the same names

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

import rules
from classifiers import language

BATCH = 256  # texts a call of measure


@dataclass(frozen=True)
class Page:
    url: str
    text: str
    language: str
    good: bool


def judged_pages(data: Path) -> Iterator[Page]:
    """The pages with a judgement and a text."""
    with (data / "corpus/labelled-pages.csv").open(encoding="utf-8") as file:
        labels = {row["page"]: row for row in csv.DictReader(file) if row["quality"]}
    columns = ["id", "url", "gold_text"]
    for row in pq.read_table(data / "extraction/dev.parquet", columns=columns).to_pylist():
        label = labels.get(f"extraction:{row['id']}")
        if label and (row["gold_text"] or "").strip():
            yield Page(row["url"] or "", row["gold_text"], label["lang"], int(label["quality"]) >= 2)
    for url, text in crawl_texts(data, set(labels)):
        yield Page(url, text, language.identify([text])[0][0][0], int(labels[url]["quality"]) >= 2)


def crawl_texts(data: Path, wanted: set[str]) -> Iterator[tuple[str, str]]:
    """URL and extracted text of the wanted pages of the crawl; pages without text are left out."""
    from pipeline.extraction import extract_text
    from pipeline.reading import Limits, read, split

    for path in sorted((data / "crawl").glob("dev-*.warc.gz")):
        for part in split(str(path), 1 << 30):
            for record in read(part, Limits()):
                if record.url in wanted and record.reason is None:
                    text = extract_text(record.body, record.url)
                    if text.strip():
                        yield record.url, text


def report(pages: list[Page], failed: np.ndarray) -> Table:
    """A row a rule, a column a language and judgement: per cent dropped, and dropped by this rule alone."""
    groups = [(code, good) for code in ("en", "zh") for good in (True, False)]
    members = [np.array([(page.language, page.good) == group for page in pages]) for group in groups]
    table = Table("rule", title="per cent of pages dropped / by this rule alone")
    for (code, good), selected in zip(groups, members, strict=True):
        table.add_column(f"{code} {'good' if good else 'bad'} ({selected.sum()})", justify="right")
    alone = failed.sum(axis=1) == 1
    dropped = failed.any(axis=1)
    table.add_row("any rule", *(f"{100 * dropped[selected].mean():.1f}" for selected in members), end_section=True)
    for column, rule in enumerate(rules.RULES):
        if failed[:, column].any():
            shares = [
                (failed[selected, column].mean(), (failed[selected, column] & alone[selected]).mean())
                for selected in members
            ]
            table.add_row(rule.name, *(f"{100 * share:.1f} / {100 * only:.1f}" for share, only in shares))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path(__file__).parents[2] / "shared", help="folder of the judged pages"
    )
    pages = list(judged_pages(parser.parse_args().data))
    thresholds = rules.load_thresholds()
    rules.measure(["warm up"], ["en"])
    failed, seconds = [], 0.0
    for start in range(0, len(pages), BATCH):
        batch = pages[start : start + BATCH]
        languages = [page.language for page in batch]
        began = time.process_time()
        signals = rules.measure([page.text for page in batch], languages, [page.url for page in batch])
        seconds += time.process_time() - began
        table = rules.failures(signals, languages, thresholds)
        failed.append(np.stack([column.to_numpy() for column in table.columns], axis=1))
    console = Console(width=140)
    console.print(report(pages, np.concatenate(failed)))
    characters = sum(len(page.text) for page in pages)
    each, per_5000 = 1000 * seconds / len(pages), 5e6 * seconds / characters
    console.print(f"{len(pages)} texts of {characters / len(pages):.0f} characters, on one core: {each:.2f} ms each,")
    console.print(f"{per_5000:.2f} ms for 5,000 characters")


if __name__ == "__main__":
    main()
