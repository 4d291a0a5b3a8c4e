"""The stage table: learning rates, batches and the position in the data, in tokens."""

from __future__ import annotations

import pytest

from trainer.config import Ramp, Stage, load_config
from trainer.schedule import Schedule, ramp, sequences_of, steps_of


def stage(name: str, tokens: int, **fields: object) -> Stage:
    return Stage.model_validate(
        {"name": name, "tokens": tokens, "batch": 100, "sequence": 50, "learning_rate": 1.0, **fields}
    )


def test_warm_up_stable_and_decay_reach_their_values() -> None:
    """The last step of a row has the row's end value; the first step of a warm-up is not 0."""
    table = Schedule(
        [
            stage("warm-up", 400, learning_rate="0 -> 1"),
            stage("stable", 200),
            stage("anneal", 400, learning_rate="1 -> 0.2"),
        ]
    )
    rates = [table.at(step).learning_rate for step in range(table.steps)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert [table.at(step).last_of_stage for step in range(10)] == [step in (3, 5, 9) for step in range(10)]
    with pytest.raises(IndexError):
        table.at(10)


def test_rows_of_one_mix_read_on_and_another_mix_starts_at_its_beginning() -> None:
    """A stage that began its mix anew would read the same documents twice."""
    table = Schedule(
        [
            stage("one", 200),
            stage("other", 100, mix="anneal.json"),
            stage("one again", 100, sequence=25, batch=50),
        ]
    )
    assert [table.at(step).start for step in range(table.steps)] == [0, 100, 0, 200, 250]
    assert [table.at(step).tokens for step in range(table.steps)] == [100, 200, 300, 350, 400]
    assert table.tokens_of("mix.json") == 300


def test_rows_begun() -> None:
    table = Schedule([stage("one", 200), stage("two", 200)])
    assert [table.begun(steps) for steps in range(5)] == [0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("shape", "middle"), [("linear", 0.55), ("cosine", 0.55), ("sqrt", 1 - 0.9 * 0.5**0.5), ("exponential", 0.1**0.5)]
)
def test_shapes_of_the_decay(shape: str, middle: float) -> None:
    values = Ramp(start=1, end=0.1)
    assert [ramp(values, done, shape) for done in (0, 0.5, 1)] == pytest.approx([1, middle, 0.1])


def test_dots1_table_is_the_published_one() -> None:
    """4,000 warm-up steps; 10T tokens at 3e-4 with larger batches from 6T and 8.3T; 1T, 200B and 128B after that."""
    stages = load_config("dots1").stages
    assert steps_of(stages[0]) == pytest.approx(4000, rel=1e-3)
    ends = [sum(row.tokens for row in stages[: count + 1]) / 1e12 for count in range(len(stages))]
    assert ends == pytest.approx([0.256, 6, 8.3, 10, 11, 11.2, 11.328])
    assert [sequences_of(row) * row.sequence / 1e6 for row in stages] == pytest.approx(
        [64, 64, 96, *[128] * 4], rel=1e-3
    )
    assert [row.learning_rate.end for row in stages] == [3e-4, 3e-4, 3e-4, 3e-4, 3e-5, 1e-5, 1e-5]
