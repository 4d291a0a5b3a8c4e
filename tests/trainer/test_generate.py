"""Generation, and the two commands as a user calls them."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

import pytest
import torch

import jobs.generate
import jobs.train
from pipeline.errors import UserError
from trainer.config import ModelConfig
from trainer.generate import choose, generate
from trainer.model import Transformer


def call(command: ModuleType, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_choice_keeps_to_the_most_probable_tokens() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()[[2, 0, 3, 1]]
    generator = torch.Generator().manual_seed(0)
    assert choose(logits, 0, 1.0, generator) == 1
    assert {choose(logits, 1.0, 0.4, generator) for _ in range(50)} == {1}
    assert {choose(logits, 1.0, 0.7, generator) for _ in range(50)} == {1, 3}
    assert {choose(logits, 1.0, 1.0, generator) for _ in range(300)} == {0, 1, 2, 3}


def test_generation_depends_on_the_seed_and_stops_at_the_end_of_text(model_config: ModelConfig) -> None:
    model = Transformer(model_config)
    model.initialise(0)
    texts = [list(generate(model.eval(), [5, 6], 12, eos_id=-1, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2] and len(texts[0]) == 12
    cut = list(generate(model, [5, 6], 12, eos_id=texts[0][4], seed=1))
    assert cut == texts[0][: texts[0].index(texts[0][4])]


def test_train_then_generate(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [f"model.{key}" for key in ("layers=2", "width=64", "heads=2", "expert_width=32", "dense_width=64")]
    options = [option for setting in small for option in ("--set", setting)]
    assert call(jobs.train, str(run_folder), "--output", str(tmp_path), "--steps", "2", *options) == 0
    printed = capsys.readouterr().out
    assert "step-00000002" in printed and "physics" in printed and "loss at the end" in printed
    assert call(jobs.train, str(run_folder), "--output", str(tmp_path), "--steps", "3", *options) == 0
    assert "going on after step 2" in capsys.readouterr().out
    assert call(jobs.generate, str(tmp_path), "the cook", "--tokens", "5") == 0
    assert capsys.readouterr().out.startswith("the cook")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "positive"),
        (["--output", "s3://bucket/x"], "local folder"),
        (["--preset", "x"], "debug"),
        (["--device", "abacus"], "--device abacus cannot be used"),
    ],
)
def test_train_refuses_wrong_options(run_folder: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(jobs.train, str(run_folder), "--output", str(tmp_path), *arguments)


def test_generate_refuses_an_empty_prompt_and_a_folder_without_release(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no release"):
        call(jobs.generate, str(tmp_path), "text")
