"""crawlmix train: trains a Mixture-of-Experts model on a run's shards."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from trainer.loop import Outcome, Training

HELP = "train a Mixture-of-Experts model on a run's mix"
LINE_SECONDS = 10  # between lines where there is no terminal
CATEGORIES_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="RUN", help="folder of a finished run (any fsspec URL)")
    parser.add_argument(
        "--preset", default="debug", help="tiny, debug, mini, slice, dots1 or a YAML file (default: debug)"
    )
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="local folder; training goes on from what it holds"
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="stop after step N (default: the end of the stage table)"
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after M minutes")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the preset, for example model.layers=3"
    )


def run(args: argparse.Namespace) -> int:
    if (args.steps is not None and args.steps < 1) or (args.minutes is not None and args.minutes <= 0):
        raise UserError("--steps and --minutes must be positive")
    if "://" in args.output:
        raise UserError(f"--output {args.output}: checkpoints are written to a local folder")

    from rich.console import Console

    from trainer.config import load_config
    from trainer.loop import train

    console = Console()
    config = load_config(args.preset, args.set)
    display = Display(console, args.steps)
    with stopping(args.minutes) as stop, console.status("reading the shards' index") as display.status:
        outcome = train(
            args.folder,
            config,
            Path(args.output),
            steps=args.steps,
            device=choose_device(args.device),
            stop=stop,
            started=display.start,
            stepped=display.step,
        )
    show_outcome(console, outcome)
    return 0


def choose_device(name: str | None) -> str:
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name} cannot be used here: {str(error).splitlines()[0]}") from error
    return name


@contextmanager
def stopping(minutes: float | None) -> Iterator[Callable[[], str | None]]:
    """Yields a function that tells why to stop, if at all.

    The first Ctrl-C or SIGTERM asks for a stop after the step; a second one ends the process as usual.
    """
    deadline = time.monotonic() + 60 * minutes if minutes else float("inf")
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def receive(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, before[signal.Signals(number)])

    def reason() -> str | None:
        if received:
            return f"stopped by {signal.Signals(received[0]).name}"
        return f"stopped after {minutes:g} minutes" if time.monotonic() > deadline else None

    for number in before:
        signal.signal(number, receive)
    try:
        yield reason
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Display:
    """One live line in a terminal; elsewhere a line every few seconds."""

    def __init__(self, console: Console, steps: int | None) -> None:
        self.console, self.steps = console, steps
        self.status: Any = None
        self.last, self.printed = 0, 0.0

    def start(self, training: Training) -> None:
        corpus, schedule = training.corpus, training.schedule
        self.last = min(schedule.steps, self.steps or schedule.steps)
        passes = ", ".join(
            f"{schedule.tokens_of(mix) / stream.pass_slots:.1f} passes of {mix}"
            for mix, stream in training.streams.items()
        )
        self.console.print(
            f"{training.parameters:,} parameters, {training.active_parameters:,} of them active for a token, on "
            f"{training.device}",
            f"{len(corpus.tokens):,} documents in {len(corpus.categories)} categories; the stage table reads {passes}",
            sep="\n",
        )
        if training.resumed_from:
            self.console.print(f"going on after step {training.resumed_from}")

    def step(self, metrics: dict[str, Any]) -> None:
        line = (
            f"step {metrics['step']}/{self.last} {metrics['stage']}  loss {metrics['loss']:.3f}"
            f"  lr {metrics['lr']:.1e}  max_vio {metrics['max_vio']:.2f}  dead experts {metrics['dead_experts']}"
            f"  {metrics['timing']['tokens_per_second']:,.0f} tokens/s"
        )
        if self.console.is_terminal:
            self.status.update(line)
        elif time.monotonic() - self.printed >= LINE_SECONDS:
            self.console.print(line, soft_wrap=True)
            self.printed = time.monotonic()


def show_outcome(console: Console, outcome: Outcome) -> None:
    from rich.table import Table

    from trainer.card import number
    from trainer.metrics import losses_by_category, read_metrics

    losses = losses_by_category(read_metrics(outcome.metrics))
    table = Table("category", "tokens", "loss at the start", "loss at the end", title="loss by category")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, loss in list(losses.items())[:CATEGORIES_SHOWN]:
        table.add_row(name, f"{loss.tokens:,}", number(loss.first), number(loss.last))
    console.print(table)
    if len(losses) > CATEGORIES_SHOWN:
        console.print(f"and {len(losses) - CATEGORIES_SHOWN} categories with fewer tokens: see the release's README.md")
    if outcome.stopped:
        console.print(
            f"{outcome.stopped}: saved after step {outcome.progress.step}; the same command goes on from there"
        )
    console.print(f"checkpoint {outcome.checkpoint}\nrelease    {outcome.release}", soft_wrap=True)
