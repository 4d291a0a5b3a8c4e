"""crawlmix export: writes a mix out, shuffled, in a format that other trainers read."""

from __future__ import annotations

import argparse

HELP = "write a run's mix out, shuffled and with its repeats, in a format that other trainers read"
MOST_MEGABYTES = 1000  # of a shard, which is held in memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from pipeline.export import FORMATS

    parser.add_argument("run", metavar="RUN", help="folder of a finished run (any fsspec URL)")
    parser.add_argument(
        "--mix",
        default="current",
        metavar="NAME",
        help="a mix of the run, one of crawlmix's own, or a YAML file (default: the run's current one)",
    )
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument("--output", required=True, metavar="DIR", help="an empty folder (any fsspec URL)")
    parser.add_argument(
        "--tokens", type=int, metavar="N", help="plan the mix with a budget of N tokens (default: that of the mix)"
    )
    parser.add_argument(
        "--shard-megabytes", type=float, default=64, metavar="M", help="text of a shard, about (default: 64)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the shuffle (default: 0)")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from pipeline.errors import UserError
    from pipeline.export.writer import export
    from pipeline.mix.mixes import find_mix, find_spec, plan_mix
    from pipeline.run import open_run
    from pipeline.storage import Folder

    if (args.tokens is not None and args.tokens < 1) or not 0 <= args.seed < 1 << 31:
        raise UserError("--tokens must be at least 1, and --seed from 0 to 2,147,483,647")
    if not 0 < args.shard_megabytes <= MOST_MEGABYTES:
        raise UserError(f"--shard-megabytes must be above 0 and at most {MOST_MEGABYTES}")
    opened = open_run(args.run)
    if args.tokens is None:
        mix = find_mix(opened, args.mix)
    else:
        mix = plan_mix(opened, find_spec(opened, args.mix, [f"budget={args.tokens}"])).to_json()
    console = Console(highlight=False)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("")
        manifest = export(
            opened.folder,
            mix,
            Folder(args.output),
            args.format,
            args.shard_megabytes,
            args.seed,
            lambda what, done, total: progress.update(task, description=what, completed=done, total=total),
        )
    documents = sum(category["documents"] for category in manifest["categories"])
    console.print(
        f"the mix {mix['name']}: {documents:,} documents, {manifest['rows']:,} with their repeats, "
        f"{manifest['tokens']:,} tokens, in {len(manifest['shards']):,} shards\n"
        f"how to read them: {args.output}/README.md",
        soft_wrap=True,
    )
    return 0
