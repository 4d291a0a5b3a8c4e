"""A whole training on a tiny run: it learns, stops, resumes to the same bits, and refuses what does not fit."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from jobs.train import stopping
from pipeline.errors import UserError
from trainer.config import TrainConfig
from trainer.loop import Outcome, train
from trainer.metrics import losses_by_category, read_metrics


def change(config: TrainConfig, **fields: Any) -> TrainConfig:
    return TrainConfig.model_validate(config.model_dump() | fields)


def results(outcome: Outcome) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "timing"} for line in read_metrics(outcome.metrics)]


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture(scope="module")
def whole(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trains the table of twelve steps once, for all tests that only look at it."""
    done: dict[str, Outcome] = {}

    def get(config: TrainConfig) -> Outcome:
        if "outcome" not in done:
            done["outcome"] = train(str(run_folder), config, tmp_path_factory.mktemp("whole"))
        return done["outcome"]

    return get


def test_training_learns_and_accounts_for_its_tokens(whole: Any, train_config: TrainConfig) -> None:
    outcome = whole(train_config)
    lines = results(outcome)
    for line in outcome.metrics.read_text().splitlines():
        json.loads(line, parse_constant=no_constant)  # nan would be written as it is
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[-1]["loss"] < 0.75 * lines[0]["loss"]
    assert outcome.progress.tokens == 12 * 256
    counted = {name: loss.tokens for name, loss in losses_by_category(lines).items()}
    assert counted == outcome.progress.tokens_by_category
    assert lines[-1]["loss"] == pytest.approx(
        sum(lines[-1]["loss_by_category"][name] * count for name, count in lines[-1]["tokens_by_category"].items())
        / sum(lines[-1]["tokens_by_category"].values())
    )


def test_resumed_training_gives_the_same_bits(
    whole: Any, run_folder: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    """Anything left out of a checkpoint (a moment, a bias, the place in the data) changes a later loss."""
    train(str(run_folder), train_config, tmp_path, steps=6)
    resumed = train(str(run_folder), train_config, tmp_path)
    assert results(resumed) == results(whole(train_config))
    assert resumed.progress == whole(train_config).progress
    for file in ("model.safetensors", "optimizer.safetensors"):
        one, two = load_file(resumed.checkpoint / file), load_file(whole(train_config).checkpoint / file)
        assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_steps_after_the_last_checkpoint_are_trained_again_and_listed_once(
    whole: Any, run_folder: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    """A killed training leaves metrics of steps that no checkpoint has, and perhaps half a line."""

    class Killed(Exception):
        pass

    def kill(metrics: dict[str, Any]) -> None:
        if metrics["step"] == 7:
            raise Killed

    config = change(train_config, checkpoint_every=4)
    with pytest.raises(Killed):
        train(str(run_folder), config, tmp_path, stepped=kill)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "lo')
    assert results(train(str(run_folder), config, tmp_path)) == results(whole(train_config))
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000008", "step-00000012"]


def test_microbatches_add_up_to_the_batch(
    whole: Any, run_folder: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    """Averaging per microbatch instead of per batch would weigh tokens unequally."""
    outcome = train(str(run_folder), change(train_config, microbatch=4), tmp_path, steps=3)
    for one, two in zip(results(outcome), results(whole(train_config)), strict=False):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)
        assert one["grad_norm"] == pytest.approx(two["grad_norm"], rel=1e-3)


def test_a_signal_ends_training_after_the_step(run_folder: Path, train_config: TrainConfig, tmp_path: Path) -> None:
    def press(metrics: dict[str, Any]) -> None:
        if metrics["step"] == 2:
            signal.raise_signal(signal.SIGINT)

    with stopping(None) as stop:
        outcome = train(str(run_folder), train_config, tmp_path, stop=stop, stepped=press)
    assert outcome.stopped == "stopped by SIGINT"
    assert outcome.progress.step == 2 and outcome.checkpoint.name == "step-00000002"


def test_a_second_signal_is_not_caught() -> None:
    with pytest.raises(KeyboardInterrupt), stopping(None):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_time_limit_stops() -> None:
    with stopping(1e-9) as stop:
        assert stop() == "stopped after 1e-09 minutes"


def test_checkpoint_of_another_training_is_refused(
    whole: Any, run_folder: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    output = tmp_path / "copy"
    shutil.copytree(whole(train_config).checkpoint.parent.parent, output)
    with pytest.raises(UserError, match="different in seed"):
        train(str(run_folder), change(train_config, seed=1), output)
    stages = [stage.model_dump() for stage in train_config.stages]
    with pytest.raises(UserError, match=r"different in stages"):
        train(str(run_folder), change(train_config, stages=[stages[0] | {"batch": 512}, stages[1]]), output)
    more = change(train_config, stages=[*stages, stages[1] | {"name": "more", "tokens": 256}], microbatch=4)
    assert train(str(run_folder), more, output).progress.step == 13

    other = tmp_path / "run"
    shutil.copytree(run_folder, other)
    mix = json.loads((other / "mix.json").read_text())
    mix["cells"][0]["repeats"] = 1.5
    (other / "mix.json").write_text(json.dumps(mix))
    with pytest.raises(UserError, match=r"different in mix\.json"):
        train(str(other), more, output)


def test_vocabulary_smaller_than_the_tokenizer_is_refused(
    run_folder: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    small = change(train_config, model=train_config.model.model_dump() | {"vocabulary": 300})
    with pytest.raises(UserError, match="vocabulary has 300 entries, the run's tokenizer 380"):
        train(str(run_folder), small, tmp_path)


def test_a_model_that_cannot_fit_is_refused_before_it_is_built(
    run_folder: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    big = change(train_config, model=train_config.model.model_dump() | {"experts": 10_000_000})
    with pytest.raises(UserError, match="take a smaller preset"):
        train(str(run_folder), big, tmp_path)


def test_a_loss_that_is_not_finite_ends_training_unsaved(
    run_folder: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    wild = change(train_config, model=train_config.model.model_dump() | {"init_std": 1e30})
    with pytest.raises(UserError, match="gradient of step 1 is not finite"):
        train(str(run_folder), wild, tmp_path)
    assert not (tmp_path / "checkpoints").exists()


def test_a_stage_in_bfloat16_with_recomputation_and_tied_knots_trains(
    run_folder: Path, train_config: TrainConfig, tmp_path: Path
) -> None:
    """The settings of the large presets, together."""
    stages = [stage.model_dump() | {"untie_knots": 3} for stage in train_config.stages]
    config = change(train_config, stages=stages, precision="bfloat16", recompute=True)
    lines = results(train(str(run_folder), config, tmp_path))
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
