"""What the trainer's tests share: one tiny run, one tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from synthetic_run import write_run

from trainer.config import ModelConfig, Stage, TrainConfig


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Operations on tensors this small cost less than waking a second thread, above all on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), documents=60, words=40)


@pytest.fixture
def model_config() -> ModelConfig:
    return ModelConfig(
        vocabulary=384, layers=3, width=64, heads=4, head_width=16, dense_width=96, experts=8, experts_per_token=2,
        shared_experts=2, expert_width=32, context=256, init_std=0.05,
    )  # fmt: skip


@pytest.fixture
def train_config(model_config: ModelConfig) -> TrainConfig:
    """Twelve steps: four of warm-up, eight of decay, on one stream."""
    common = {"batch": 256, "sequence": 64}
    return TrainConfig(
        model=model_config,
        microbatch=2,
        stages=[
            Stage(name="warm-up", tokens=1024, learning_rate="0 -> 1e-2", **common),
            Stage(name="anneal", tokens=2048, learning_rate="1e-2 -> 1e-3", **common),
        ],
    )
