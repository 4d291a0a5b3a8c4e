"""crawlmix train-extractor: the extractor's model from one's own labelled pages."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

HELP = "train the main-text extractor's model on a Parquet file of labelled pages"
COLUMNS = ("html", "gold_text", "site")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pages", metavar="PAGES.parquet", help="a row a page: html (bytes), gold_text, site")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="for prepare.extraction.model")
    parser.add_argument("--cross-validate", action="store_true", help="measure on sites that were not trained on")


def run(args: argparse.Namespace) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.errors import UserError

    try:
        names = pq.read_schema(args.pages).names
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"cannot read {args.pages}: {str(error).splitlines()[0]}") from None
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise UserError(f"{args.pages} has no column {', '.join(missing)}: it needs {', '.join(COLUMNS)}")
    try:
        from classifiers.training import clutter
    except ModuleNotFoundError as error:
        raise UserError(f"training needs {error.name}: pip install 'crawlmix[train]'") from None

    pages = clutter.load(Path(args.pages))
    if len({page.about["site"] for page in pages}) < clutter.FOLDS:
        raise UserError(f"{args.pages} holds labelled pages of too few sites: at least {clutter.FOLDS} are needed")
    f1 = clutter.cross_validate(pages) if args.cross_validate else []
    mean = sum(f1) / len(f1) if f1 else math.nan
    for column in ("source", "page_type", "lang") if f1 else ():
        for value, (count, share) in clutter.means_by(pages, f1, column).items():
            print(f"{column:<10} {value:<24} {count:>6,} pages  F1 {share:.3f}")
    print(clutter.save(clutter.fit(pages), mean, Path(args.output)))
    return 0
