"""The command ``crawlmix``: one module of this package a command, loaded when it is called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

COMMANDS = {
    "run": "jobs.run",
    "status": "jobs.status",
    "explain": "jobs.explain",
    "extract": "jobs.extract",
    "sites": "jobs.sites",
    "mix": "jobs.mix",
    "export": "jobs.export",
    "report": "jobs.report",
    "train": "jobs.train",
    "generate": "jobs.generate",
    "train-extractor": "jobs.train_extractor",
    "classify": "jobs.classify",
    "label": "jobs.label",
    "train-classifier": "jobs.train_classifier",
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="crawlmix",
        description="From a web crawl to a balanced pretraining mix, and a Mixture-of-Experts model trained on it.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        job = importlib.import_module(module)
        job.add_arguments(commands.add_parser(name, help=job.HELP, description=job.HELP))
    return top


def main(arguments: list[str] | None = None) -> int:
    from pipeline.errors import UserError

    args = parser().parse_args(arguments)
    try:
        status = importlib.import_module(COMMANDS[args.command]).run(args)
        sys.stdout.flush()
        return int(status)
    except UserError as error:
        print(f"crawlmix: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("crawlmix: stopped; the same command goes on where it left off", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
