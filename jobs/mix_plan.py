"""crawlmix mix plan: solves a mix over a run's cells and shows what would come of it; writes nothing."""

from __future__ import annotations

import argparse
import json

from jobs.mix_tables import print_mix, print_slack

HELP = "solve a mix over a run and show, by category, target, share reached, repeats, shortfall; writes nothing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_mix_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON list, one object a category")


def add_mix_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--mix", metavar="NAME_OR_FILE", required=True, help="a named mix, a YAML file (docs/mixes.md), or current"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the mix, such as weights.fiction=0.1"
    )


def run(args: argparse.Namespace) -> int:
    from pipeline.mix.mixes import find_spec, plan_mix
    from pipeline.run import open_run

    opened = open_run(args.run)
    mix = plan_mix(opened, find_spec(opened, args.mix, args.set)).to_json()
    if args.json:
        print(json.dumps(mix["categories"], ensure_ascii=False, indent=1))
    else:
        print_mix(mix, ("category", "kind", "language", "band"))
        print_slack(mix)
    return 0
