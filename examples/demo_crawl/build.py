"""Builds the demo crawl: two WARC files made of this folder's articles, page designs and special pages.

    python examples/demo_crawl/build.py FOLDER

writes FOLDER/demo-00000.warc.gz (mostly English) and FOLDER/demo-00001.warc.gz (mostly Chinese). It needs no network,
and the same sources give the same bytes every time.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from fetches import Fetch, all_fetches
from warc import write_warc

LANGUAGES = ("en", "zh")  # of the first and the second file
STRAYS = 8  # one fetch in so many lies in the other language's file, so that duplicates meet across files


def build(folder: Path) -> list[Path]:
    """Write the crawl files into the folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files: tuple[list[Fetch], list[Fetch]] = ([], [])
    for fetch in all_fetches():
        stray = hashlib.sha1(fetch.url.encode()).digest()[-1] % STRAYS == 0 and fetch.damage != "cut"
        files[LANGUAGES.index(fetch.language) ^ stray].append(fetch)
    paths = [folder / f"demo-{place:05}.warc.gz" for place in range(len(files))]
    for path, fetches in zip(paths, files, strict=True):
        write_warc(path, fetches)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the WARC files go")
    for path in build(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
