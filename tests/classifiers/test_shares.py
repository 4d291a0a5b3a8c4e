"""Shares of a collection: sums, order, intervals, and the correction of known confusions."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers import category
from classifiers.calibration import INPUTS, STEPS_OF_DRAWS, draw_shares, load_calibration, measure_inputs, unmix
from classifiers.features import hash_texts
from classifiers.taxonomy import load_taxonomy
from classifiers.training.data import LABELS
from pipeline.extraction import make_extractor
from pipeline.reading import Part, read

LEVELS = {"kind": 10, "group": 20, "category": 200}
CONFUSIONS = np.array([[80.0, 20.0, 0.1], [10.0, 85.0, 5.0], [0.1, 30.0, 70.0]])
MASSES = st.lists(st.floats(0, 1), min_size=200, max_size=200).filter(lambda mass: sum(mass) > 0.01)


def test_enough_steps_find_the_shares_that_explain_the_mass() -> None:
    shares = np.array([0.6, 0.1, 0.3])
    mass = shares @ (CONFUSIONS / CONFUSIONS.sum(axis=1, keepdims=True))
    assert unmix(mass, CONFUSIONS, 2000) == pytest.approx(shares, abs=0.01)
    few = np.abs(unmix(mass, CONFUSIONS) - shares).sum()
    assert few < np.abs(mass - shares).sum()


def test_no_confusion_changes_nothing() -> None:
    mass = np.array([0.2, 0.5, 0.3])
    assert unmix(mass, np.eye(3) * 100 + 1e-9) == pytest.approx(mass, abs=1e-6)


def test_more_pages_give_narrower_intervals() -> None:
    mass, steps = np.array([0.5, 0.3, 0.2]), len(STEPS_OF_DRAWS)
    few, many = (draw_shares(mass, CONFUSIONS * size)[::steps].std(axis=0) for size in (0.1, 100))
    assert (many < few).all()


@pytest.mark.parametrize("level", LEVELS)
@given(mass=MASSES)
def test_shares_of_any_mass_sum_to_one_and_lie_in_their_interval(level: str, mass: list[float]) -> None:
    share, low, high = category.estimate_shares(np.array(mass), level)
    assert share.shape == (LEVELS[level],)
    assert share.sum() == pytest.approx(1)
    assert ((low <= share) & (share <= high) & (low >= 0) & (high <= 1 + 1e-9)).all()


def test_a_leaf_without_mass_gets_none_and_groups_agree_with_their_leaves() -> None:
    taxonomy = load_taxonomy()
    mass = np.random.default_rng(0).random(200)
    mass[7] = 0
    by_leaf, by_group = (category.estimate_shares(mass, level)[0] for level in ("category", "group"))
    assert by_leaf[7] == 0
    for place, group in enumerate(taxonomy.groups):
        of_group = [
            share for leaf, share in zip(taxonomy.leaves, by_leaf, strict=True) if taxonomy.group[leaf] == group
        ]
        assert sum(of_group) == pytest.approx(by_group[place])


def test_stated_shares_are_the_mass_itself() -> None:
    taxonomy = load_taxonomy()
    mass = np.arange(200.0)
    assert category.stated_shares(mass, "category") == pytest.approx(mass / mass.sum())
    for level, part, names in (("kind", taxonomy.kind, taxonomy.kinds), ("group", taxonomy.group, taxonomy.groups)):
        of_name = [sum(mass[place] for place, leaf in enumerate(taxonomy.leaves) if part[leaf] == n) for n in names]
        assert category.stated_shares(mass, level) == pytest.approx(np.array(of_name) / mass.sum())


def test_intervals_hold_the_shares_of_pages_that_were_read(shared: Path) -> None:
    """Would catch intervals that promise more than the model knows; of 200 pages of a crawl, never trained on."""
    judged = list(csv.DictReader(LABELS.with_name("judged.csv").open(encoding="utf-8", newline="")))
    labels, taxonomy, extractor = {row["page"]: row["leaf"] for row in judged}, load_taxonomy(), make_extractor()
    texts: dict[str, str] = {}
    for path in sorted((shared / "crawl").glob("dev-*.warc.gz")):
        for record in read(Part(str(path))):
            if record.reason is None and record.url in labels:
                texts[record.url] = extractor.extract(record.body, record.url).text or ""
    extractor.close()
    mass = category.probabilities(list(texts.values())).sum(axis=0)
    for level, part, names in (("kind", taxonomy.kind, taxonomy.kinds), ("group", taxonomy.group, taxonomy.groups)):
        true = np.array([sum(part[labels[page]] == name for page in texts) for name in names]) / len(texts)
        _, low, high = category.estimate_shares(mass, level)
        assert ((true >= low) & (true <= high)).mean() >= 0.75


def test_totals_and_means_give_the_same_shares() -> None:
    mass = np.random.default_rng(1).random(200)
    assert np.allclose(category.estimate_shares(mass), category.estimate_shares(mass * 1e6))


def test_the_calibration_fits_its_inputs_and_the_taxonomy() -> None:
    calibration, taxonomy = load_calibration(), load_taxonomy()
    assert calibration.factor.shape == (len(INPUTS),)
    assert calibration.kinds.shape == (len(taxonomy.kinds),) * 2
    assert calibration.groups.shape == (len(taxonomy.groups),) * 2
    assert (calibration.kinds > 0).all() and (calibration.groups > 0).all()
    inputs = measure_inputs(hash_texts(["", "plain English words", "这是一个中文句子。"]))
    assert inputs[:, 1].tolist() == [0, 0, 1]
    assert np.isfinite(inputs).all()


def test_strange_text_is_unsure_and_a_plain_case_is_not() -> None:
    texts = ["zzqx vbnm qwrt plkj", "Preheat the oven. Mix flour, butter, sugar and two eggs, and bake for 40 minutes."]
    assert category.unsure(category.probabilities(texts)).tolist() == [True, False]
