"""The peer that bench/pipeline.py is timed beside: datatrove's FineWeb recipe, as its examples/fineweb.py has it.

Prints one JSON object. Differences from the published file: local WARC files, no writers (nothing is stored, neither
what stays nor what is dropped), English named to the language filter, and the compressed form of its language model,
as the other one is fetched from the web. What is loaded once (URL lists, models, tokenizer) is loaded before the
clock starts.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

LANGUAGE_MODEL = Path(__file__).resolve().parent.parent / "classifiers" / "models" / "lid.176.ftz"
WARM_UP = 20  # pages


def recipe() -> list[Any]:
    """The steps after the reader."""
    import trafilatura  # noqa: F401 - here, so that the step's child process has it when it is forked
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
        LanguageFilter,
        URLFilter,
    )
    from datatrove.utils.logging import logger
    from fasttext.FastText import _FastText
    from tldextract import TLDExtract

    logger.remove()
    urls = URLFilter()
    urls.tldextractor = TLDExtract(suffix_list_urls=())  # the list in the package: no look-up on the web
    urls.download_data()
    languages = LanguageFilter(languages=["en"])
    languages.model._model = _FastText(str(LANGUAGE_MODEL))
    return [
        urls,
        Trafilatura(favour_precision=True),
        languages,
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]


def run(files: list[str], pages: int, steps: Iterable[Any]) -> tuple[int, int]:
    """Runs the recipe over the first pages; returns how many were read and how many stayed."""
    from datatrove.pipeline.readers import WarcReader

    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(files):
            (Path(folder) / f"{number:05d}.warc.gz").symlink_to(Path(file).resolve())
        reader = WarcReader(folder, glob_pattern="*.warc.gz", limit=pages)
        documents = reader(None, 0, 1)
        for step in steps:
            documents = step(documents, 0, 1)
        kept = sum(1 for _ in documents)
    return int(reader.stats.stats["documents"].total), kept


def cpu_seconds() -> float:
    """Of this process and of the children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="WARC")
    parser.add_argument("--pages", type=int, default=-1, help="read so many pages at most")
    arguments = parser.parse_args()
    steps = recipe()
    run(arguments.files, WARM_UP, steps)
    wall, cpu = time.perf_counter(), cpu_seconds()
    pages, kept = run(arguments.files, arguments.pages, steps)
    result = {
        "pages": pages,
        "kept": kept,
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": cpu_seconds() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "versions": {name: version(name) for name in ("datatrove", "trafilatura", "spacy", "warcio")},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
