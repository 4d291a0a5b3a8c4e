"""crawlmix mix search: learns from small models on many mixes which shares of the groups serve a target best."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.mix_tables import table, wide_console

if TYPE_CHECKING:
    from pipeline.mix.search import Space
    from pipeline.mix.spec import MixSpec
    from pipeline.run import Run
    from trainer.proxy import Proxy, Trained
    from trainer.swarm import Swarm

HELP = "train small models on many mixes around a plan, learn from them the mix that serves a target best, and try it"
LEAST_SWARM = 8
TRIALS = 3  # orders in which each mix of the last comparison is read
DIGITS = 6  # of a number in the record
POOR = 0.3  # R² of a regression that knows little


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--mix", metavar="NAME_OR_FILE", default="current", help="the plan to search around (default: current)"
    )
    parser.add_argument(
        "--target",
        metavar="NAME[=WEIGHT],…",
        default="knowledge",
        help="kinds, groups or categories whose held-out documents measure the loss (default: %(default)s)",
    )
    parser.add_argument("--swarm", type=int, metavar="N", default=32, help="mixes to train on (default: %(default)s)")
    parser.add_argument(
        "--tokens-per-proxy", type=int, metavar="N", default=50_000, help="tokens for each mix (default: %(default)s)"
    )
    parser.add_argument(
        "--preset", default="tiny", help="the small model: a preset of crawlmix train, or a YAML file (default: tiny)"
    )
    parser.add_argument("--seed", type=int, metavar="S", default=0, help="of mixes and first weights (default: 0)")
    parser.add_argument("--address", help="of a Ray cluster to join; without one Ray starts on this machine")
    parser.add_argument("--workers", type=int, metavar="N", help="small models trained at once (default: all cores)")
    parser.add_argument(
        "--output",
        metavar="FILE.yaml",
        default="learned.yaml",
        help="for the proposed mix; FILE.json records all that was trained (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print what FILE.json holds instead of tables")


def run(args: argparse.Namespace) -> int:
    from classifiers.taxonomy import load_taxonomy
    from pipeline.engine import cluster
    from pipeline.mix.mixes import find_spec, read_cells
    from pipeline.mix.search import around, leaves_of, parse_targets
    from pipeline.run import open_run
    from trainer.swarm import make_swarm, proxy_config

    check_arguments(args)
    taxonomy = load_taxonomy()
    weights = parse_targets(args.target, taxonomy)
    config = proxy_config(args.preset, args.tokens_per_proxy, args.seed)
    opened = open_run(args.run)
    spec = find_spec(opened, args.mix)
    space = around(read_cells(opened), spec, taxonomy)
    url = opened.folder.fs.unstrip_protocol(opened.folder.root)
    swarm = make_swarm(url, config, weights, leaves_of(weights, taxonomy))
    if not args.json:
        print_start(args, spec, space, swarm)
    with cluster(args.address, args.workers) as engine, progress(args.swarm + 3 * TRIALS) as done:

        def train(proxies: list[Proxy]) -> list[Trained]:
            return swarm.train(proxies, args.workers or engine.workers, done)

        record = search(args, opened, spec, space, swarm, train)
    write(Path(args.output), record)
    if args.json:
        print(json.dumps(record, ensure_ascii=False, indent=1))
    else:
        print_record(record, args)
    return 0


def check_arguments(args: argparse.Namespace) -> None:
    """Raises UserError for arguments that cannot be, before anything is trained."""
    from pipeline.errors import UserError
    from pipeline.mix.spec import NAMED, load_spec

    if args.swarm < LEAST_SWARM:
        raise UserError(f"--swarm {args.swarm} is too few to learn from: train at least {LEAST_SWARM} small models")
    if args.tokens_per_proxy < 1 or not 0 <= args.seed < 2**30 or (args.workers is not None and args.workers < 1):
        raise UserError("--tokens-per-proxy and --workers must be at least 1, and --seed from 0 to 1,073,741,823")
    output = Path(args.output)
    if output.suffix not in (".yaml", ".yml") or not os.access(output.parent, os.W_OK):
        raise UserError(f"--output {args.output}: name a file that ends in .yaml, in a folder that can be written to")
    load_spec({"name": output.stem})
    if output.stem in NAMED:
        raise UserError(f"--output {args.output}: {output.stem} is a mix of crawlmix's own, give yours another name")


@contextmanager
def progress(models: int) -> Iterator[Callable[[], None]]:
    """A bar on the terminal; yields what to call where a small model is trained."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console()
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("small models", total=models)
        yield lambda: bar.advance(task)


def search(
    args: argparse.Namespace,
    opened: Run,
    spec: MixSpec,
    space: Space,
    swarm: Swarm,
    train: Callable[[list[Proxy]], list[Trained]],
) -> dict[str, Any]:
    """Trains the swarm, learns from it, and tries what it proposes beside the natural mix and the plan.

    Returns what FILE.json holds.
    """
    import numpy as np

    from pipeline.mix.mixes import plan_mix
    from pipeline.mix.search import group_shares, propose, regress
    from pipeline.mix.spec import NAMED
    from trainer.proxy import Proxy

    drawn = np.stack([space.draw(args.seed, number) for number in range(args.swarm)])
    trained = train([Proxy(space.spec_of(shares, "drawn"), args.seed) for shares in drawn])
    regression = regress(drawn, np.array([swarm.loss(one) for one in trained]))
    proposed = space.spec_of(propose(space, regression, args.seed), Path(args.output).stem)
    mixes = {"natural": NAMED["natural"], "plan": spec, "proposed": proposed}
    tried = train([Proxy(mix, args.seed + 1 + order) for mix in mixes.values() for order in range(TRIALS)])
    compared = {}
    for number, (name, mix) in enumerate(mixes.items()):
        shares = group_shares(plan_mix(opened, mix))
        within = np.array([[shares.get(group, 0.0) for group in space.groups]])
        compared[name] = {
            "shares": rounded(shares),
            "predicted_loss": round(float(regression.losses(within)[0]), DIGITS),
            "trials": [measured(one, swarm) for one in tried[number * TRIALS : (number + 1) * TRIALS]],
        }
    return {
        "version": 1,
        "mix": spec.name,
        "seed": args.seed,
        "preset": args.preset,
        "parameters": swarm.parameters,
        "tokens_per_proxy": args.tokens_per_proxy,
        "targets": {name: target._asdict() for name, target in swarm.targets.items()},
        "proxies": [
            {"shares": rounded(dict(zip(space.groups, shares.tolist(), strict=True)))} | measured(one, swarm)
            for shares, one in zip(drawn, trained, strict=True)
        ],
        "regression": {"kind": regression.kind}
        | {"leave_one_out": {kind: rounded(scores) for kind, scores in regression.scores.items()}},
        "mixes": compared,
        "spec": proposed.model_dump(exclude_defaults=True),
    }


def measured(trained: Trained, swarm: Swarm) -> dict[str, Any]:
    """What one small model says: its loss, that of each target, and the tokens that it read by category."""
    return {
        "loss": round(swarm.loss(trained), DIGITS),
        "loss_by_target": rounded(trained.losses),
        "tokens_by_category": trained.tokens,
    }


def rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(number, DIGITS) for name, number in numbers.items()}


def write(output: Path, record: dict[str, Any]) -> None:
    import yaml

    spec = {name: value for name, value in record["spec"].items() if name != "name"}
    head = f"# Found by crawlmix mix search around the mix {record['mix']}; {output.stem}.json says how.\n"
    output.write_text(head + yaml.safe_dump(spec, sort_keys=False, allow_unicode=True), encoding="utf-8")
    content = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    output.with_suffix(".json").write_text(content, encoding="utf-8")


def print_start(args: argparse.Namespace, spec: MixSpec, space: Space, swarm: Swarm) -> None:
    console = wide_console()
    console.print(
        f"around the mix [bold]{spec.name}[/bold], {len(space.groups)} groups: {args.swarm} mixes, then 3 mixes in "
        f"{TRIALS} orders; for each a model of {swarm.parameters:,} parameters on {args.tokens_per_proxy:,} tokens"
    )
    for name, target in swarm.targets.items():
        console.print(
            f"target {name} × {target.weight:.2f}: measured on {target.tokens:,} tokens of {target.documents:,} "
            "documents that no model reads"
        )
    console.print()


def print_record(record: dict[str, Any], args: argparse.Namespace) -> None:
    console = wide_console()
    mixes = record["mixes"]
    groups = sorted(
        dict.fromkeys(group for mix in mixes.values() for group in mix["shares"]),
        key=lambda group: -mixes["proposed"]["shares"].get(group, 0.0),
    )
    shares = ((group, *(f"{mix['shares'].get(group, 0.0):.2%}" for mix in mixes.values())) for group in groups)
    console.print(table(("group", *mixes), shares), "", sep="\n")
    kind = record["regression"]["kind"]
    scores = record["regression"]["leave_one_out"][kind]
    console.print(
        f"learned by {kind}: R² {scores['r2']:.2f}, Spearman {scores['spearman']:.2f}, leaving out one mix at a time"
    )
    if scores["r2"] < POOR:
        console.print(
            "[yellow]that is little to go by,[/yellow] so the proposal stays near the plan: try more "
            "--tokens-per-proxy, a larger --swarm, or a target with more documents"
        )
    losses = {name: [trial["loss"] for trial in mix["trials"]] for name, mix in mixes.items()}
    rows = (
        (
            name,
            f"{mixes[name]['predicted_loss']:.4f}",
            f"{statistics.mean(found):.4f}",
            f"{statistics.stdev(found):.4f}",
        )
        for name, found in losses.items()
    )
    console.print("", table(("loss on the target", "predicted", "measured", "±"), rows), "", sep="\n")
    for name in ("natural", "plan"):
        gains = [other - found for other, found in zip(losses[name], losses["proposed"], strict=True)]
        word = "better" if statistics.mean(gains) > 0 else "worse"
        console.print(
            f"the proposed mix is {abs(statistics.mean(gains)):.4f} nats a token {word} than {name}, better in "
            f"{sum(gain > 0 for gain in gains)} of {TRIALS} orders"
        )
    console.print(
        f"it is in {args.output}, look at it with  crawlmix mix plan {args.run} --mix {args.output}", soft_wrap=True
    )
