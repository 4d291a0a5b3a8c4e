"""Presets and what a user may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UserError
from trainer.config import PRESETS, load_config, parse_amount


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_every_preset_loads(preset: str) -> None:
    assert load_config(preset).stages


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="debug, dots1, mini, slice"):
        load_config("huge")


def test_overrides_reach_nested_places() -> None:
    config = load_config("debug", ["model.layers=2", "stages.1.learning_rate=1e-3 -> 1e-4", "seed=5"])
    assert (config.model.layers, config.stages[1].learning_rate.end, config.seed) == (2, 1e-4, 5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.depth=3", "model.depth"),
        ("model.layers", "key=value"),
        ("stages.9.tokens=1", "no such place"),
        ("model.experts_per_token=99", "exceeds experts"),
        ("stages.0.sequence=4096", "exceeds the model's context"),
        ("stages.0.tokens=many", "stages.0.tokens"),
        ("model.expert_width=30", "multiple of 8"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config("debug", [override])


def test_a_preset_may_be_a_file(tmp_path: Path) -> None:
    copy = tmp_path / "own.yaml"
    copy.write_text((PRESETS / "debug.yaml").read_text().replace("layers: 3", "layers: 5"))
    assert load_config(str(copy)).model.layers == 5
    with pytest.raises(UserError, match="does not exist"):
        load_config(str(tmp_path / "missing.yaml"))


def test_amounts() -> None:
    assert [parse_amount(text) for text in ("10T", "1.5B", "96M", "64K", "8_192")] == [
        10**13,
        15 * 10**8,
        96 * 10**6,
        64_000,
        8192,
    ]
