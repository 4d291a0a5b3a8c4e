"""The command ``crawlmix mix``: one module of this package an action."""

from __future__ import annotations

import argparse
import importlib

HELP = "look at a run's mix, plan another, make it the run's, compare two, search a better one"
ACTIONS = {
    "show": "jobs.mix_show",
    "plan": "jobs.mix_plan",
    "set": "jobs.mix_set",
    "diff": "jobs.mix_diff",
    "search": "jobs.mix_search",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, module in ACTIONS.items():
        action = importlib.import_module(module)
        action.add_arguments(actions.add_parser(name, help=action.HELP, description=action.HELP))


def run(args: argparse.Namespace) -> int:
    return int(importlib.import_module(ACTIONS[args.action]).run(args))
