"""crawlmix mix show: what a mix holds, by kind, group, category, language and quality band."""

from __future__ import annotations

import argparse
import json

from jobs.mix_tables import LEVELS, print_mix

HELP = "show a run's mix: documents, unique tokens, share before, target, share after, repeats, shortfall"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--mix", metavar="NAME", default="current", help="a named mix, mixes/NAME of the run, a YAML file, or current"
    )
    parser.add_argument("--by", choices=(*LEVELS, "all"), default="all", help="tables to show (default: all)")
    parser.add_argument("--json", action="store_true", help="print a JSON list, one object a category")


def run(args: argparse.Namespace) -> int:
    from pipeline.mix.mixes import find_mix
    from pipeline.run import open_run

    mix = find_mix(open_run(args.run), args.mix)
    if args.json:
        print(json.dumps(mix["categories"], ensure_ascii=False, indent=1))
    else:
        print_mix(mix, LEVELS if args.by == "all" else (args.by,))
    return 0
