"""Speed of the trainer's debug preset on this machine: tokens a second, and the MoE layers' part of the forward pass.

    python bench/trainer.py [--preset debug] [--steps 10]

Batches are random tokens in documents of 100, so no run is needed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder would hide the packages of the same names

import numpy as np
import torch

from trainer.config import load_config
from trainer.loop import backward
from trainer.model import Transformer, count_parameters
from trainer.moe import MoE
from trainer.optim import make_optimizer
from trainer.packing import Batch
from trainer.schedule import sequences_of


def random_batch(sequences: int, length: int, vocabulary: int) -> Batch:
    tokens = np.random.default_rng(0).integers(0, vocabulary, (sequences, length + 1))
    places = np.broadcast_to(np.arange(length), (sequences, length))
    return Batch(tokens[:, :-1], tokens[:, 1:], places % 100, places // 100, np.zeros_like(tokens[:, 1:]))


def time_moe(model: Transformer, spent: list[float]) -> None:
    """Adds the seconds of each forward pass of a MoE layer to `spent`."""
    for module in model.modules():
        if isinstance(module, MoE):
            module.register_forward_pre_hook(lambda *_: spent.append(-time.perf_counter()))
            module.register_forward_hook(lambda *_: spent.append(time.perf_counter()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="debug")
    parser.add_argument("--steps", type=int, default=10)
    args = parser.parse_args()
    config = load_config(args.preset, ["model.vocabulary=4096"])
    stage = config.stages[-1]
    batch = random_batch(sequences_of(stage), stage.sequence, config.model.vocabulary)
    model = Transformer(config.model, config.recompute)
    model.initialise(config.seed)
    optimizer = make_optimizer(model, config)

    seconds = []
    for _ in range(args.steps + 1):  # the first one warms up
        start = time.perf_counter()
        backward(model, batch, config, categories=1)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    step = float(np.median(seconds[1:]))

    spent: list[float] = []
    time_moe(model, spent)
    inputs = [torch.from_numpy(np.ascontiguousarray(a)) for a in (batch.tokens, batch.positions, batch.documents)]
    start = time.perf_counter()
    with torch.no_grad():
        for _ in range(args.steps):
            model(*inputs)
    forward = time.perf_counter() - start

    total, active = count_parameters(config.model)
    print(f"{args.preset}: {total:,} parameters, {active:,} active; {torch.get_num_threads()} threads")
    print(f"{batch.tokens.size / step:,.0f} tokens/s in training, {step * 1000:.0f} ms a step (median)")
    print(f"MoE layers: {sum(spent) / forward:.0%} of the forward pass up to the final norm")


if __name__ == "__main__":
    main()
