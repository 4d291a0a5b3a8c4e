"""crawlmix mix set: makes a mix the run's own. Shards stay as they are: only how often they are read changes."""

from __future__ import annotations

import argparse

from jobs.mix_plan import add_mix_arguments
from jobs.mix_tables import print_mix

HELP = "save a mix in RUN/mixes/ and make it the run's mix.json; rewrites no document"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_mix_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from pipeline.mix.mixes import find_spec, save
    from pipeline.run import open_run

    opened = open_run(args.run)
    name, mix = save(opened, find_spec(opened, args.mix, args.set))
    print_mix(mix, ("kind", "language", "band"))
    print(f"{args.run}/mix.json is now this mix; it stays in {args.run}/{name} too")
    print(f"a stage of a training preset reads it with  mix: {name}  whichever mix is current")
    return 0
