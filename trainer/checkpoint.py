"""Checkpoints to resume from: safetensors and JSON, written whole or not at all.

The position in the data is the step: the stage table and the stream turn it back into documents.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import UserError
from trainer.config import Stage, TrainConfig
from trainer.model import Transformer
from trainer.schedule import Schedule

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
FREE_TO_CHANGE = {"stages", "microbatch", "recompute", "checkpoint_every", "keep_checkpoints", "release_every"}


@dataclass
class Progress:
    """How far training has come."""

    step: int = 0
    tokens: int = 0
    tokens_by_category: dict[str, int] = field(default_factory=dict)  # targets that were counted


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends well."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def checkpoints(output: Path) -> list[Path]:
    """Oldest first."""
    return sorted((output / "checkpoints").glob("step-*"))


def save_checkpoint(
    folder: Path,
    model: Transformer,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    config: TrainConfig,
    data: dict[str, str],
) -> Path:
    """Writes the folder, and removes its oldest neighbours beyond `keep_checkpoints`. `data` names what was read (file
    to SHA-256)."""
    moments = {
        f"{moment}.{name}": optimizer.state[parameter][moment]
        for name, parameter in model.named_parameters()
        for moment in MOMENTS
    }
    state = {"version": 1, "progress": asdict(progress), "config": config.model_dump(mode="json"), "data": data}
    with whole_folder(folder) as temporary:
        save_file(model.state_dict(), temporary / "model.safetensors")
        save_file(moments, temporary / "optimizer.safetensors")
        (temporary / "state.json").write_text(json.dumps(state, indent=1, ensure_ascii=False), encoding="utf-8")
    for old in checkpoints(folder.parent.parent)[: -config.keep_checkpoints]:
        shutil.rmtree(old)
    return folder


def load_checkpoint(
    folder: Path,
    model: Transformer,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    data: dict[str, str],
) -> Progress:
    """Fills model and optimizer. Raises UserError where the checkpoint is of another training."""
    saved = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    progress = Progress(**saved["progress"])
    check_same_training(folder, saved, config, data, progress.step)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    moments = load_file(folder / "optimizer.safetensors")
    for name, parameter in model.named_parameters():
        state = {moment: moments[f"{moment}.{name}"] for moment in MOMENTS}
        # AdamW keeps its count of steps on the CPU.
        optimizer.state[parameter] = {
            moment: value if moment == "step" else value.to(parameter.device) for moment, value in state.items()
        }
    return progress


def check_same_training(
    folder: Path, saved: dict[str, Any], config: TrainConfig, data: dict[str, str], step: int
) -> None:
    """Settings that change no result may differ, and so may the rows of the stage table that have not begun."""
    old, new = saved["config"], config.model_dump(mode="json")
    differs = [key for key in new if key not in FREE_TO_CHANGE and old.get(key) != new[key]]
    begun = Schedule([Stage.model_validate(stage) for stage in old["stages"]]).begun(step)
    if old["stages"][:begun] != new["stages"][:begun]:
        differs.append("stages (rows that have begun)")
    differs += [name for name, digest in saved["data"].items() if data.get(name, digest) != digest]
    if differs:
        raise UserError(
            f"{folder} is a checkpoint of another training, different in {', '.join(differs)}: "
            "train with the same preset and run, or choose another --output"
        )
