"""A plan states what its repeats draw, close to what was solved, however few documents there are."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from test_mix_shards import documents

from classifiers.taxonomy import load_taxonomy
from pipeline.mix import plan, shards
from pipeline.mix.chance import settle
from pipeline.mix.repeats import read_shards
from pipeline.mix.spec import MixSpec, load_spec
from pipeline.storage import Folder

SIZES = {"pure_mathematics": 300, "statistics_probability": 40, "science_fiction": 200, "recipes_cooking": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(str(tmp_path_factory.mktemp("run")))
    start, written = 0, []
    for category, size in SIZES.items():
        ids = np.random.default_rng(start).integers(0, 2**63, size)
        table = documents(size).set_column(0, "record_id", pa.array([f"{number:016x}" for number in ids]))
        written.append(shards.write_category([table], category, folder, 20_000))
        start += size
    folder.write_json(shards.MANIFEST, shards.manifest(file for entry in written for file in entry["files"]))
    folder.write_json("cells.json", [cell for entry in written for cell in entry["cells"]])
    return folder


def solved(run: Folder, spec: MixSpec, seed: int = 0) -> plan.Plan:
    return plan.solve(pa.Table.from_pylist(run.read_json("cells.json"), plan.CELLS), spec, load_taxonomy(), seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_settled_plan_states_what_is_drawn_and_stays_near_what_was_solved(run: Folder, seed: int) -> None:
    """Catches shares that hold on average only: with hundreds of documents chance moves them by percents."""
    before = solved(run, load_spec("balanced"), seed)
    after = settle(before, run)
    drawn: Counter[str] = Counter()
    for shard in read_shards(run):
        drawn[shard.cells[0].category] += int((shard.repeats(after.to_json()) * shard.tokens).sum())
    shares = {entry["category"]: entry["share_after"] for entry in after.categories}
    assert {name: count / drawn.total() for name, count in drawn.items()} == pytest.approx(shares)
    assert after.tokens_after == drawn.total()
    for old, new in zip(before.categories, after.categories, strict=True):
        assert {**old, **{name: new[name] for name in ("share_after", "repeats")}} == new
    longest = 50  # tokens
    for old, new in zip(before.languages, after.languages, strict=True):
        groups = 3  # kinds
        assert abs(old["share_after"] - new["share_after"]) * before.tokens_after < 3 * groups * longest
    assert all(cell["repeats"] <= after.max_repeats for cell in after.cells)


def test_whole_repeats_are_left_alone(run: Folder) -> None:
    """Catches a natural mix that leaves a document out because a factor is a little below 1."""
    before = solved(run, load_spec("natural"))
    after = settle(before, run)
    assert after.cells == before.cells and after.tokens_after == before.tokens_before
    capped = solved(run, MixSpec(max_repeats=1.5, budget=int(1.5 * before.tokens_before)))
    assert all(cell["repeats"] <= 1.5 for cell in settle(capped, run).cells)


def test_what_is_left_out_stays_out(run: Folder) -> None:
    after = settle(solved(run, MixSpec(weights={"fiction": 0}, quality={"low": 0})), run)
    assert {
        cell["repeats"] for cell in after.cells if cell["category"] == "science_fiction" or cell["band"] == "low"
    } == {0}
