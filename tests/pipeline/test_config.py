"""A config is refused at the start, in one sentence that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Config, load_config
from pipeline.errors import UserError


def test_without_a_file_the_defaults_are_the_recipe() -> None:
    """Would catch a default that drifts from the report."""
    config = load_config(None)
    assert config.prepare.language.confidence == 0.65
    assert config.refine.lines.keep == 200
    assert (config.refine.near.bands, config.refine.near.rows) == (128, 16)
    assert config.balance.semantic.similarity == 0.95


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("refine: {liness: {keep: 3}}", ["refine.liness", "lines", "near"]),
        ("prepare: {language: {confidence: 2}}", ["prepare.language.confidence", "less than or equal to 1"]),
        ("workers: many", ["workers", "integer"]),
        ("- a list", ["mapping"]),
        ("a: [", ["YAML"]),
        ("refine: {pii: hide}", ["refine.pii", "mask"]),
    ],
)
def test_bad_configs_are_refused_in_one_sentence(tmp_path: Path, text: str, words: list[str]) -> None:
    """Would catch a typing slip that is silently ignored, and a pydantic report instead of a sentence."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as refused:
        load_config(str(file))
    message = str(refused.value)
    assert "\n" not in message
    assert all(word in message for word in [*words, "bad.yaml"])


def test_settings_go_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    """Would catch a wrong order of precedence."""
    file = tmp_path / "run.yaml"
    file.write_text("output: a\nrefine: {lines: {keep: 7}}\nseed: 1\n")
    config = load_config(str(file), {"output": "c"}, ["output=b", "refine.lines.keep=9"])
    assert (config.output, config.refine.lines.keep, config.seed) == ("c", 9, 1)


@pytest.mark.parametrize("setting", ["nothing", "=3", "seed.deeper=1", "nope.deeper=1"])
def test_bad_settings_name_the_setting(setting: str) -> None:
    """Would catch a traceback on a malformed --set."""
    with pytest.raises(UserError):
        load_config(None, None, ["seed=1", setting])


def test_missing_file_is_one_sentence() -> None:
    """Would catch a FileNotFoundError shown to the user."""
    with pytest.raises(UserError, match=r"cannot read the config nowhere\.yaml"):
        load_config("nowhere.yaml")


def test_resolved_config_reads_back_as_itself() -> None:
    """Would catch a setting that run.yaml cannot hold."""
    config = load_config(None, {"input": ["a"]})
    assert Config.model_validate(config.model_dump(mode="json")) == config
