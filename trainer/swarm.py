"""The proxies of a search, trained side by side on Ray: one CPU and one thread each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ray
import torch

from pipeline.errors import UserError
from trainer.config import TrainConfig, load_config
from trainer.loop import check_memory, with_vocabulary
from trainer.model import count_parameters
from trainer.proxy import Corpus, Proxy, Trained, corpus_of, held_out_of, train_proxy


class Target(NamedTuple):
    """What the loss is measured on."""

    weight: float  # of all targets together: 1
    categories: list[str]
    documents: int  # held out
    tokens: int


@dataclass(frozen=True)
class Swarm:
    """What the proxies of a search have in common."""

    run: str  # URL that means the same to all workers
    config: TrainConfig
    targets: Mapping[str, Target]

    def train(self, proxies: Sequence[Proxy], workers: int, done: Callable[[], None]) -> list[Trained]:
        """Trains all, as many at a time as there are workers; the results do not depend on how many these are."""
        categories = {name: target.categories for name, target in self.targets.items()}
        trained: dict[int, Trained] = {}
        running: dict[Any, int] = {}
        waiting = list(enumerate(proxies))[::-1]
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    number, proxy = waiting.pop()
                    running[_task.remote(self.run, self.config, proxy, categories)] = number
                ready, _ = ray.wait(list(running), num_returns=1)
                for reference in ready:
                    trained[running.pop(reference)] = _result(reference)
                    done()
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
        return [trained[number] for number in range(len(proxies))]

    def loss(self, trained: Trained) -> float:
        """The targets' losses in one: their weighted mean."""
        return sum(target.weight * trained.losses[name] for name, target in self.targets.items())

    @property
    def parameters(self) -> int:
        return count_parameters(self.config.model)[0]


def make_swarm(
    run: str, config: TrainConfig, weights: Mapping[str, float], categories: Mapping[str, list[str]]
) -> Swarm:
    """The swarm of a run whose proxies are trained by ``config``; weights and categories of each target.

    Raises UserError where the run, the model or memory do not fit, and for a target without held-out documents.
    """
    corpus = corpus_of(run)
    targets = {name: _target(corpus, name, weight, categories[name]) for name, weight in weights.items()}
    swarm = Swarm(run, with_vocabulary(config, corpus), targets)
    check_memory(swarm.parameters, torch.device("cpu"))
    return swarm


def _target(corpus: Corpus, name: str, weight: float, categories: list[str]) -> Target:
    repeats = held_out_of(corpus, categories)
    if not repeats.any():
        raise UserError(
            f"the target {name!r} has no held-out document to measure the loss on: give a wider --target, or a run "
            "with more documents of it"
        )
    return Target(weight, categories, int(repeats.sum()), int((repeats * corpus.tokens).sum()))


def proxy_config(preset: str, tokens: int, seed: int) -> TrainConfig:
    """The preset, its stage table shortened in proportion to about ``tokens``. Raises UserError, as load_config."""
    config = load_config(preset, [f"seed={seed}"])
    scale = tokens / sum(stage.tokens for stage in config.stages)
    stages = [
        stage.model_copy(update={"tokens": max(1, round(stage.tokens * scale)), "mix": "mix.json"})
        for stage in config.stages
    ]
    return config.model_copy(update={"stages": stages})


@ray.remote(num_cpus=1)
def _task(run: str, config: TrainConfig, proxy: Proxy, categories: Mapping[str, Sequence[str]]) -> Trained:
    torch.set_num_threads(1)
    return train_proxy(run, config, proxy, categories)


def _result(reference: Any) -> Trained:
    try:
        trained: Trained = ray.get(reference)
        return trained
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, UserError) else error from None
    except ray.exceptions.RayError:
        raise UserError(
            "a small model lost its worker again and again (out of memory?): take fewer --workers or a smaller preset"
        ) from None
