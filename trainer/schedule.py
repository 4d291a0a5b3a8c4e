"""The stage table, unrolled: what step n does. Everything is counted in tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

from trainer.config import Ramp, Shape, Stage


@dataclass(frozen=True)
class Step:
    stage: Stage
    last_of_stage: bool
    sequences: int  # of `stage.sequence` tokens each
    start: int  # where the step begins in the token stream of its mix
    tokens: int  # trained on once the step is done, from the beginning of training
    learning_rate: float
    gamma: float


class Schedule:
    """Stages that share a mix read on where the last one stopped, so a warm-up row and a stable row are one stream."""

    def __init__(self, stages: list[Stage]) -> None:
        self.stages = stages
        self.steps = sum(map(steps_of, stages))

    def at(self, step: int) -> Step:
        """Step `step`, counted from 0. Raises IndexError past the end of the table."""
        index, tokens, position = step, 0, dict.fromkeys((stage.mix for stage in self.stages), 0)
        for stage in self.stages:
            count, batch = steps_of(stage), sequences_of(stage) * stage.sequence
            if index < count:
                done = (index + 1) / count
                return Step(
                    stage=stage,
                    last_of_stage=index + 1 == count,
                    sequences=sequences_of(stage),
                    start=position[stage.mix] + index * batch,
                    tokens=tokens + (index + 1) * batch,
                    learning_rate=ramp(stage.learning_rate, done, stage.shape),
                    gamma=ramp(stage.gamma, done, "linear"),
                )
            index -= count
            tokens += count * batch
            position[stage.mix] += count * batch
        raise IndexError(f"the stage table ends before step {step}")

    def begun(self, steps: int) -> int:
        """How many rows of the table have begun after `steps` steps."""
        starts = [0, *accumulate(map(steps_of, self.stages))]
        return sum(start < steps for start in starts[:-1])

    def tokens_of(self, mix: str) -> int:
        """How many slots of a mix's stream the table reads."""
        return sum(steps_of(stage) * sequences_of(stage) * stage.sequence for stage in self.stages if stage.mix == mix)


def sequences_of(stage: Stage) -> int:
    return max(1, round(stage.batch / stage.sequence))


def steps_of(stage: Stage) -> int:
    return math.ceil(stage.tokens / (sequences_of(stage) * stage.sequence))


def ramp(values: Ramp, done: float, shape: Shape) -> float:
    """The value after the part `done` (0 to 1) of a stage. `sqrt` is the 1-sqrt cooldown of arXiv 2405.18392."""
    start, end = values.start, values.end
    if shape == "exponential":
        return start * (end / start) ** done
    if shape == "cosine":
        done = (1 - math.cos(math.pi * done)) / 2
    elif shape == "sqrt":
        done = math.sqrt(done)
    return start + (end - start) * done
