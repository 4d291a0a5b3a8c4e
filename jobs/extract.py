"""crawlmix extract: the main text of a page, as the pipeline takes it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.schema import Record

HELP = "print the main text of an HTML file, of a page of a run, or of standard input"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", metavar="FILE|URL|-", help="an HTML file, - for standard input, or a URL of --run")
    parser.add_argument("--run", metavar="RUN", help="the run whose crawl holds the URL (or record id)")
    parser.add_argument("--scores", action="store_true", help="print every block with its score; + is main text")
    parser.add_argument("--format", choices=("markdown", "text"), default="markdown")
    parser.add_argument("--comments", action="store_true", help="keep what users wrote below an article")
    parser.add_argument("--extractor", default="learned", help="default: learned; or trafilatura, resiliparse")


def run(args: argparse.Namespace) -> int:
    from pipeline.errors import UserError
    from pipeline.extraction import make_extractor

    record = _record(args.page, args.run)
    if args.scores:
        _print_scores(record, args.comments)
        return 0
    extractor = make_extractor(args.extractor, comments=args.comments, markdown=args.format == "markdown")
    page = extractor.page(record)
    extractor.close()
    if page.reason:
        raise UserError(f"{args.page} gives no text: {page.reason}{page.detail and f' ({page.detail})'}")
    print(page.text)
    return 0


def _record(page: str, run: str | None) -> Record:
    from pipeline.errors import UserError
    from pipeline.schema import Record

    if run:
        return _crawled(page, run)
    try:
        if page == "-":
            return Record(0, 0, body=sys.stdin.buffer.read())
        with open(page, "rb") as file:
            return Record(0, 0, body=file.read())
    except OSError as error:
        hint = "; for a page of a run name the run with --run" if "://" in page else ""
        raise UserError(f"cannot read {page}: {error.strerror}{hint}") from None


def _crawled(page: str, run: str) -> Record:
    """The record of a run's crawl, read again where it lies."""
    from pipeline.errors import UserError
    from pipeline.life import find
    from pipeline.reading import Part, read
    from pipeline.run import open_run

    for life in find(open_run(run), page):
        offset = life["offset"]
        for record in read(Part(life["file"], offset, offset + 1)):
            if record.offset == offset and (record.body or record.text):
                return record
    raise UserError(f"no page of {run} has the URL or id {page}; URLs are compared letter by letter")


def _print_scores(record: Record, comments: bool) -> None:
    from pipeline.errors import UserError
    from pipeline.extraction import Source
    from pipeline.extraction.blocks import parse
    from pipeline.extraction.decode import decode
    from pipeline.extraction.learned import Learned

    if record.text is not None:
        raise UserError("the page is text already: it has no blocks to score")
    html = decode(record.body, record.charset).utf8
    for score, chosen, text in Learned(comments).blocks(Source(html, parse(html, record.url), record.url)):
        print(f"{score:.2f} {'+' if chosen else '-'} {' '.join(text.split())}")
