"""What a preset says: the model's shape, the stage table and how to train."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UserError

PRESETS = Path(__file__).parent / "presets"
UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def parse_amount(value: Any) -> Any:
    """`"96M"` to 96_000_000; other values are left for the type check."""
    match = re.fullmatch(r"([\d_.]+)([KMBT]?)", value) if isinstance(value, str) else None
    return round(float(match[1]) * UNITS[match[2]]) if match else value


Amount = Annotated[int, BeforeValidator(parse_amount), Field(gt=0)]
Shape = Literal["linear", "cosine", "sqrt", "exponential"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(Section):
    """The shape of a dots.llm1 model. Defaults that are not sizes are the published model's."""

    vocabulary: int = Field(0, ge=0)  # 0: the tokenizer's, rounded up to a multiple of 64
    layers: int = Field(gt=0)
    width: int = Field(gt=0, multiple_of=8)
    heads: int = Field(gt=0)
    head_width: int = Field(gt=0, multiple_of=2)
    dense_layers: int = Field(1, ge=0)  # the first layers, whose SwiGLU is dense
    dense_width: int = Field(gt=0)
    experts: int = Field(gt=1)
    experts_per_token: int = Field(gt=0)
    shared_experts: int = Field(2, gt=0)
    expert_width: int = Field(gt=0, multiple_of=8)  # grouped_mm wants rows aligned to 16 bytes, also in bf16
    routed_scaling: float = 2.5
    balance_loss: float = 1e-4
    rope_theta: float = 1e7
    norm_eps: float = 1e-5
    context: int = 32768  # written into releases; training length is each stage's `sequence`
    init_std: float = 0.006

    @model_validator(mode="after")
    def check(self) -> ModelConfig:
        if self.experts_per_token > self.experts:
            raise ValueError(f"experts_per_token ({self.experts_per_token}) exceeds experts ({self.experts})")
        if self.dense_layers >= self.layers:
            raise ValueError(f"dense_layers ({self.dense_layers}) leaves none of {self.layers} layers for experts")
        return self


class Ramp(Section):
    """A value that goes from `start` to `end` over a stage. YAML: `3e-4`, or `3e-4 -> 3e-5`."""

    start: float = Field(ge=0)
    end: float = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def parse(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            return {"start": value, "end": value}
        if isinstance(value, str):
            start, _, end = value.partition("->")
            return {"start": start.strip(), "end": (end or start).strip()}
        return value


class Stage(Section):
    """One row of the stage table. A warm-up is a row, an anneal is a row."""

    name: str
    tokens: Amount  # how long the stage is
    batch: Amount  # tokens a step, rounded to whole sequences
    sequence: Amount  # tokens a sequence
    learning_rate: Ramp
    shape: Shape = "linear"  # of the learning rate's ramp
    gamma: Ramp = Ramp(start=1e-3, end=1e-3)  # step of the balancing bias
    mix: str = "mix.json"  # in the run folder
    untie_knots: int = Field(1, ge=1)  # chunks a document is cut into; 1: documents stay whole and apart

    @model_validator(mode="after")
    def check(self) -> Stage:
        if self.shape == "exponential" and not (self.learning_rate.start and self.learning_rate.end):
            raise ValueError("an exponential ramp can neither start nor end at 0")
        return self


class TrainConfig(Section):
    model: ModelConfig
    stages: list[Stage] = Field(min_length=1)
    seed: int = Field(0, ge=0, lt=2**30)
    microbatch: int = Field(gt=0)  # sequences that are in memory at once
    precision: Literal["float32", "bfloat16"] = "float32"  # of matrix products; weights stay in float32
    recompute: bool = False  # compute activations again in the backward pass instead of keeping them
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    clip: float = 1.0
    checkpoint_every: int = Field(200, gt=0)  # steps
    keep_checkpoints: int = Field(2, gt=0)
    release_every: Amount | None = None  # tokens; stage ends and the end of training are released anyway

    @model_validator(mode="after")
    def check(self) -> TrainConfig:
        longest = max(stage.sequence for stage in self.stages)
        if longest > self.model.context:
            raise ValueError(f"a stage's sequence ({longest}) exceeds the model's context ({self.model.context})")
        return self


def load_config(preset: str, overrides: list[str] | None = None) -> TrainConfig:
    """A preset by name, or a YAML file of the same form, with `key.path=value` overrides.

    Raises UserError for an unknown preset, an unknown key or a value that does not fit.
    """
    data = yaml.safe_load(preset_path(preset).read_text(encoding="utf-8"))
    for override in overrides or []:
        set_value(data, override)
    try:
        return TrainConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "preset"
        raise UserError(f"preset {preset}: {where}: {first['msg']}; correct the file or the --set option") from error


def preset_path(preset: str) -> Path:
    if preset.endswith((".yaml", ".yml")):
        path = Path(preset)
        if not path.is_file():
            raise UserError(f"preset file {preset} does not exist")
        return path
    known = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if preset not in known:
        raise UserError(f"unknown preset {preset!r}; choose one of {', '.join(known)}, or name a YAML file")
    return PRESETS / f"{preset}.yaml"


def set_value(data: Any, override: str) -> None:
    """Sets `model.layers=3` or `stages.0.tokens=1M` in the preset's data."""
    path, equals, value = override.partition("=")
    *parents, last = path.split(".")
    if not equals:
        raise UserError(f"--set {override}: write key=value, for example model.layers=3")
    try:
        for key in parents:
            data = data[int(key)] if isinstance(data, list) else data.setdefault(key, {})
        data[int(last) if isinstance(data, list) else last] = yaml.safe_load(value)
    except (ValueError, IndexError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"--set {override}: a preset has no such place, or the value is not YAML") from error
