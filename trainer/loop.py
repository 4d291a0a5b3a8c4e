"""A training run from start to end. Knows nothing of what launched it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import deterministic

from pipeline.errors import UserError
from pipeline.mix.shards import MANIFEST
from trainer.card import model_card
from trainer.checkpoint import Progress, checkpoints, load_checkpoint, save_checkpoint
from trainer.config import TrainConfig
from trainer.data import Corpus, Stream
from trainer.export import write_release
from trainer.loss import IGNORE, cross_entropy
from trainer.metrics import MetricsFile, read_metrics
from trainer.model import Transformer, count_parameters
from trainer.moe import category_divergence, load_metrics, update_bias
from trainer.optim import make_optimizer
from trainer.packing import Batch, load_batch
from trainer.schedule import Schedule, Step

BYTES_PER_PARAMETER = 16  # weight, gradient and two moments in float32


@dataclass(frozen=True)
class Outcome:
    progress: Progress
    stopped: str | None  # why training ended before its last step
    checkpoint: Path
    release: Path
    metrics: Path


def train(
    run: str,
    config: TrainConfig,
    output: Path,
    steps: int | None = None,
    device: str = "cpu",
    stop: Callable[[], str | None] = lambda: None,
    started: Callable[[Training], None] = lambda training: None,
    stepped: Callable[[dict[str, Any]], None] = lambda metrics: None,
) -> Outcome:
    """Trains on a run's shards up to step `steps` (at most the end of the stage table), from the newest checkpoint in
    `output` where there is one. `stop` is asked after each step for a reason to end early; `started` and `stepped` are
    told what is trained and the metrics of each step.

    Raises UserError for shards, tokenizer, memory or checkpoints that do not fit, and when a loss is not finite.
    """
    training = Training(run, config, output, device)
    started(training)
    last = min(training.schedule.steps, steps or training.schedule.steps)
    stopped = None
    while training.progress.step < last and not stopped:
        before = training.progress.tokens
        step = training.schedule.at(training.progress.step)
        stepped(training.step())
        if training.progress.step % config.checkpoint_every == 0:
            training.save()
        every = config.release_every
        if step.last_of_stage or (every and training.progress.tokens // every > before // every):
            training.release()
        stopped = stop()
    return Outcome(training.progress, stopped, training.save(), training.release(), training.metrics.path)


class Training:
    """Model, optimizer, data and files of one training."""

    def __init__(self, run: str, config: TrainConfig, output: Path, device: str) -> None:
        self.corpus = Corpus(run)
        self.config = config = with_vocabulary(config, self.corpus)
        self.output, self.device = output, torch.device(device)
        self.parameters, self.active_parameters = count_parameters(config.model)
        check_memory(self.parameters, self.device)
        make_deterministic()
        self.schedule = Schedule(config.stages)
        self.streams = {stage.mix: Stream(self.corpus, stage.mix, config.seed) for stage in config.stages}
        self.data = {MANIFEST: self.corpus.manifest_sha256}
        self.data |= {mix: stream.sha256 for mix, stream in self.streams.items()}
        with self.device:
            self.model = Transformer(config.model, config.recompute)
        self.optimizer = make_optimizer(self.model, config)
        found = checkpoints(output)
        if found:
            self.progress = load_checkpoint(found[-1], self.model, self.optimizer, config, self.data)
        else:
            self.progress = Progress()
            self.model.initialise(config.seed)
        self.resumed_from = self.progress.step
        self.released: int | None = None  # step of the last release
        self.metrics = MetricsFile(output / "metrics.jsonl", self.progress.step)

    def step(self) -> dict[str, Any]:
        """One step of the schedule; returns its metrics, which also go to metrics.jsonl."""
        start = time.perf_counter()
        step = self.schedule.at(self.progress.step)
        batch = load_batch(self.corpus, self.streams[step.stage.mix], step)
        categories = self.corpus.categories
        losses, counts_LCE, balance_loss = backward(self.model, batch, self.config, len(categories))
        counts_LE = counts_LCE.sum(1)
        norm = update(self.model, self.optimizer, losses, counts_LE, step, self.config.clip)
        if norm is None:
            raise UserError(
                f"the loss or the gradient of step {self.progress.step + 1} is not finite: lower the learning rate of "
                "the next stage, or start anew with a lower one"
            )

        loss, loss_by_category, tokens_by_category = by_category(losses, batch, categories)
        self.progress.step += 1
        self.progress.tokens = step.tokens
        for name, tokens in tokens_by_category.items():
            self.progress.tokens_by_category[name] = self.progress.tokens_by_category.get(name, 0) + tokens
        divergence = dict(zip(categories, category_divergence(counts_LCE).tolist(), strict=True))
        seconds = time.perf_counter() - start
        metrics = {
            "step": self.progress.step,
            "stage": step.stage.name,
            "tokens": step.tokens,
            "loss": loss,
            "balance_loss": balance_loss,
            **load_metrics(counts_LE),
            "lr": step.learning_rate,
            "gamma": step.gamma,
            "grad_norm": norm,
            "loss_by_category": loss_by_category,
            "tokens_by_category": tokens_by_category,
            "divergence_by_category": {name: divergence[name] for name in tokens_by_category},
            "timing": {"seconds": seconds, "tokens_per_second": batch.tokens.size / seconds},
        }
        self.metrics.append(metrics)
        return metrics

    def save(self) -> Path:
        """The checkpoint of this step, written unless it is there."""
        newest = checkpoints(self.output)[-1:]
        if newest and newest[0].name == self.name():
            return newest[0]
        return save_checkpoint(
            self.output / "checkpoints" / self.name(),
            self.model,
            self.optimizer,
            self.progress,
            self.config,
            self.data,
        )

    def release(self) -> Path:
        """The release of this step, written unless this training wrote it just now."""
        folder = self.output / "releases" / self.name()
        if self.released != self.progress.step:
            card = model_card(self.config, self.progress, self.data, read_metrics(self.metrics.path))
            tokenizer = self.corpus.folder.read_bytes("tokenizer.json")
            dtype = getattr(torch, self.config.precision)
            write_release(folder, self.model, tokenizer, (self.corpus.eos, self.corpus.eos_id), card, dtype)
            self.released = self.progress.step
        return folder

    def name(self) -> str:
        return f"step-{self.progress.step:08d}"


def backward(
    model: Transformer, batch: Batch, config: TrainConfig, categories: int
) -> tuple[np.ndarray, torch.Tensor, float]:
    """Adds the batch's gradients, one microbatch at a time.

    Returns the loss of each token (nats, in the batch's shape), the rows that each expert of each MoE layer got from
    each category [layers, categories, experts], and the balance loss summed over layers, before its factor.
    """
    model.train()
    device = model.lm_head.weight.device
    experts = config.model.experts

    def count(experts_NK: torch.Tensor, category_N: torch.Tensor) -> torch.Tensor:
        cells = category_N[:, None] * experts + experts_NK
        return torch.bincount(cells.flatten(), minlength=categories * experts).view(categories, experts)

    counted, sequences = int((batch.targets != IGNORE).sum()), len(batch.tokens)
    losses, counts, balance_loss = [], [], 0.0
    for start in range(0, sequences, config.microbatch):
        tokens, targets, positions, documents, category = (
            torch.from_numpy(array[start : start + config.microbatch]).to(device)
            for array in (batch.tokens, batch.targets, batch.positions, batch.documents, batch.categories)
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            hidden_BTD, routings = model(tokens, positions, documents)
            loss, losses_N = cross_entropy(hidden_BTD.flatten(0, 1), model.lm_head.weight, targets.flatten())
        balance = torch.stack([routing.balance_loss for routing in routings]).sum() * (len(tokens) / sequences)
        (loss / counted + config.model.balance_loss * balance).backward()
        losses.append(losses_N.view_as(tokens).cpu().numpy())
        counts.append(torch.stack([count(routing.experts_NK, category.flatten()) for routing in routings]))
        balance_loss += float(balance.detach())
    return np.concatenate(losses), torch.stack(counts).sum(0), balance_loss


def update(
    model: Transformer,
    optimizer: torch.optim.Optimizer,
    losses: np.ndarray,
    counts_LE: torch.Tensor,
    step: Step,
    clip: float,
) -> float | None:
    """One step of the weights by their gradients, which are used up, and of the routers' biases by the experts' load.

    Returns the norm of the gradient before it was clipped; None, and nothing is changed but the gradient, where it or
    one of the ``losses`` is not finite.
    """
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    if not (np.isfinite(losses).all() and norm.isfinite()):
        return None
    for group in optimizer.param_groups:
        group["lr"] = step.learning_rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    for router, counts_E in zip(model.routers(), counts_LE, strict=True):
        update_bias(router.e_score_correction_bias, counts_E, step.gamma)
    return float(norm)


def by_category(losses: np.ndarray, batch: Batch, names: list[str]) -> tuple[float, dict[str, float], dict[str, int]]:
    """Mean loss of the counted tokens; mean loss and number of them by category."""
    counted = batch.targets != IGNORE
    categories = batch.categories[counted]
    sums = np.bincount(categories, weights=losses[counted], minlength=len(names))
    tokens = np.bincount(categories, minlength=len(names))
    present = np.flatnonzero(tokens)
    return (
        float(sums.sum() / tokens.sum()),
        {names[code]: float(sums[code] / tokens[code]) for code in present},
        {names[code]: int(tokens[code]) for code in present},
    )


def with_vocabulary(config: TrainConfig, corpus: Corpus) -> TrainConfig:
    """The config with the vocabulary of the run's tokenizer, where the preset leaves it open."""
    size = config.model.vocabulary or math.ceil(corpus.vocabulary / 64) * 64
    if size < corpus.vocabulary:
        raise UserError(
            f"the model's vocabulary has {size} entries, the run's tokenizer {corpus.vocabulary}: "
            "set model.vocabulary=0 to take the tokenizer's"
        )
    return config.model_copy(update={"model": config.model.model_copy(update={"vocabulary": size})})


def check_memory(parameters: int, device: torch.device) -> None:
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    else:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if parameters * BYTES_PER_PARAMETER > memory:
        raise UserError(
            f"{parameters / 1e9:.2f}B parameters need {parameters * BYTES_PER_PARAMETER / 1e9:.0f} GB for weights, "
            f"gradients and moments, but {device} has {memory / 1e9:.0f} GB: take a smaller preset"
        )


def make_deterministic() -> None:
    """The same batches give the same bits on the same kind of machine. Kernels without such a form only warn."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # guards against bugs, costs time
