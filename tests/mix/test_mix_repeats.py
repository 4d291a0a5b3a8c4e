import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mix.repeats import record_numbers, repeat_count, repeat_counts, uniform

RECORDS = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
repeats = st.floats(0, 8)


@given(repeats, repeats, st.integers(0, 2**32))
def test_a_larger_weight_only_adds_documents(one: float, other: float, seed: int) -> None:
    """Catches a choice that is drawn anew for every weight, so that mixes are not nested."""
    small, large = (repeat_counts(RECORDS[:500], weight, seed) for weight in sorted((one, other)))
    assert (small <= large).all()


@given(repeats, st.integers(0, 5))
def test_documents_are_read_floor_or_ceiling_times_and_the_mean_is_the_weight(weight: float, seed: int) -> None:
    counts = repeat_counts(RECORDS, weight, seed)
    assert set(counts.tolist()) <= {int(np.floor(weight)), int(np.floor(weight)) + 1}
    assert abs(counts.mean() - weight) < 5 * 0.5 / np.sqrt(len(RECORDS))


def test_whole_weights_leave_nothing_to_chance() -> None:
    assert (repeat_counts(RECORDS, 3.0, 1) == 3).all() and not repeat_counts(RECORDS, 0.0, 1).any()


def test_numbers_are_even_and_differ_by_seed() -> None:
    """Catches a seed that does nothing, and record ids that are taken as they are."""
    even = np.histogram(uniform(np.arange(10_000, dtype=np.uint64), 0), 10, (0, 1))[0]
    assert even.min() > 850 and even.max() < 1150
    assert abs(np.corrcoef(uniform(RECORDS, 0), uniform(RECORDS, 1))[0, 1]) < 0.05


def test_one_record_is_counted_as_in_a_batch() -> None:
    weights = np.linspace(0, 4, 50)
    counts = repeat_counts(RECORDS[:50], weights, 9)
    assert [repeat_count(int(r), float(w), 9) for r, w in zip(RECORDS[:50], weights, strict=True)] == counts.tolist()


def test_record_ids_are_read_as_hexadecimal_numbers() -> None:
    assert record_numbers(["00000000000000ff", "ffffffffffffffff"]).tolist() == [255, 2**64 - 1]
    assert record_numbers([]).size == 0
