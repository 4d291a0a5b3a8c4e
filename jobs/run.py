"""crawlmix run: the main job, from crawl files to shards and mix."""

from __future__ import annotations

import argparse
from typing import Any

HELP = "run the pipeline on crawl files; the same command again goes on where it was stopped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", nargs="?", metavar="CONFIG", help="a YAML file; without one the defaults are the recipe"
    )
    parser.add_argument(
        "--input", action="append", metavar="FILES", help="file, folder or glob: local, s3://, https://"
    )
    parser.add_argument("--output", metavar="RUN", help="folder of the run, local or any fsspec URL")
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="a setting, such as balance.mix=natural")
    parser.add_argument("--address", help="of a Ray cluster to join; without one Ray starts on this machine")
    parser.add_argument("--workers", type=int, help="processes at work (default: all cores)")


def run(args: argparse.Namespace) -> int:
    from pipeline.config import load_config

    overrides: dict[str, Any] = {
        name: value for name in ("input", "output", "workers") if (value := getattr(args, name)) is not None
    }
    config = load_config(args.config, overrides, args.set)

    from jobs.display import Display
    from jobs.report import write_report
    from jobs.status import print_funnel, sound
    from pipeline.engine import cluster
    from pipeline.ledger import funnel
    from pipeline.steps import perform_run, plan_run

    planned = plan_run(config)
    with Display(planned) as display, cluster(args.address, config.workers) as engine:
        perform_run(planned, engine, display)
    counted = funnel(planned)
    print_funnel(planned, counted)
    report = write_report(planned)
    print(f"\nshards {config.output}/shards   mix {config.output}/mix.json   report {report}")
    return 0 if sound(planned, counted) else 1
