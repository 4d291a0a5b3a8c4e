"""What a mix truly consists of: mass of known probabilities in, shares out; and the file that a run keeps of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from classifiers.calibration import load_calibration
from classifiers.category import UNSURE
from classifiers.taxonomy import load_taxonomy
from pipeline import balance
from pipeline.engine import Engine
from pipeline.mix import shards, shares
from pipeline.mix.plan import solve
from pipeline.mix.spec import MixSpec
from pipeline.run import Run, open_run, part_name
from pipeline.steps import Watcher, perform_run

TAXONOMY = load_taxonomy()
LEAVES = TAXONOMY.leaves


def signals(probabilities: np.ndarray) -> dict[str, Any]:
    """What the models step stores of a document with these probabilities of all leaves."""
    return balance._signals([1.0] + [0.0] * 10, probabilities.tolist(), False)


def certain(**parts: float) -> np.ndarray:
    """Probabilities that only these leaves have."""
    row = np.zeros(len(LEAVES))
    for leaf, part in parts.items():
        row[LEAVES.index(leaf)] = part
    return row


def documents(*rows: tuple[np.ndarray, int, float]) -> pa.Table:
    """A table as count_mass takes it, of (probabilities, tokens, quality)."""
    stored = [signals(probabilities) for probabilities, _, _ in rows]
    return pa.table(
        {
            "category": [one["category"] for one in stored],
            "language": ["en"] * len(rows),
            "quality": pa.array([quality for _, _, quality in rows], pa.float32()),
            "tokens": pa.array([tokens for _, tokens, _ in rows], pa.int32()),
            "categories": [one["categories"] for one in stored],
            "groups": [one["groups"] for one in stored],
        }
    )


def write_run(folder: Path, table: pa.Table, model: str = "own.npz") -> Run:
    """A run that holds the cells and the mass of these documents."""
    folder.mkdir()
    config = {"output": str(folder), "balance": {"models": {"category_model": model}}}
    (folder / "run.yaml").write_text(yaml.safe_dump(config))
    run = open_run(str(folder))
    run.folder.write_table(shares.FILE, shares.to_table(shares.count_mass(table)))
    return run


def plan(table: pa.Table, **spec: Any) -> dict[str, Any]:
    cells = []
    for row in table.select(["category", "language", "quality", "tokens"]).to_pylist():
        ((cell,), _) = shards.cells_of(pa.table({"language": ["en"], "quality": [row["quality"]]}), row["category"])
        cells.append(cell._asdict() | {"documents": 1, "tokens": row["tokens"]})
    return solve(pa.Table.from_pylist(cells), MixSpec(**spec), TAXONOMY).to_json()


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 2))
def test_signals_keep_the_mass_of_groups_and_of_the_best_five(seed: int, concentration: float) -> None:
    """Would catch mass that goes to another group than the model gave it to, or is lost on the way."""
    probabilities = np.random.default_rng(seed).dirichlet(np.full(len(LEAVES), concentration))
    stored = signals(probabilities)
    (row,) = shares.leaf_probabilities([stored["categories"]], [stored["groups"]])
    assert row.sum() == pytest.approx(1) and (row >= 0).all()
    best = np.argsort(-probabilities)[:5]
    assert row[best] == pytest.approx(probabilities[best], abs=0.01, rel=0.12)
    for group in TAXONOMY.groups:
        members = [place for place, leaf in enumerate(LEAVES) if TAXONOMY.group[leaf] == group]
        assert row[members].sum() == pytest.approx(probabilities[members].sum(), abs=0.01, rel=0.12)


def test_mass_is_that_of_probabilities_weighted_by_tokens() -> None:
    """Would catch shares of documents in place of tokens, counted best guesses, and cells mixed up."""
    mixed = certain(soccer=0.7, basketball=0.3)
    table = documents((mixed, 1000, 0.9), (certain(soccer=1.0), 100, 0.9), (mixed, 10, 0.2))
    mass = shares.count_mass(table)
    assert set(mass) == {("soccer", "en", "high"), ("soccer", "en", "low")}
    high, low = mass["soccer", "en", "high"], mass["soccer", "en", "low"]
    assert high == pytest.approx(certain(soccer=800, basketball=300))
    assert low == pytest.approx(certain(soccer=7, basketball=3))


def test_the_table_keeps_all_and_its_rows_have_one_order() -> None:
    rows = [(certain(soccer=0.7, basketball=0.3), 10, 0.9), (certain(buddhism=1.0), 7, 0.1)]
    table, other = (shares.to_table(shares.count_mass(documents(*order))) for order in (rows, rows[::-1]))
    assert table.schema == shares.MASS and table.equals(other)
    mass, again = shares.count_mass(documents(*rows)), shares.from_table(table)
    assert mass.keys() == again.keys() and all((mass[cell] == again[cell]).all() for cell in mass)


def test_parts_add_up() -> None:
    """Would catch a part's mass that replaces that of another, or is counted twice."""
    table = documents(*[(certain(soccer=0.7, basketball=0.3), n, n / 40) for n in range(40)])
    total: shares.Mass = {}
    for part in (table.slice(0, 13), table.slice(13, 0), table.slice(13)):
        shares.add_mass(total, shares.count_mass(part))
    whole = shares.count_mass(table)
    assert total.keys() == whole.keys()
    assert all(total[cell] == pytest.approx(whole[cell]) for cell in whole)


def test_what_is_certain_is_estimated_as_assigned(tmp_path: Path) -> None:
    """Would catch repeats given to other cells, and other totals than those of the plan, before and after."""
    table = documents((certain(soccer=1.0), 500, 0.9), (certain(buddhism=1.0), 300, 0.9), (certain(pets=1.0), 200, 0.3))
    mix = plan(table, weights={"soccer": 3, "pets": 0.5}, quality={"low": 0.5}, max_repeats=2)
    estimated = shares.estimates(write_run(tmp_path / "run", table), mix)
    for level in shares.LEVELS:
        assert sum(fields["estimated_before"] for fields in estimated[level].values()) == pytest.approx(1)
    for entry in mix["categories"]:
        fields = estimated["category"][entry["category"]]
        assert fields["estimated_before"] == pytest.approx(entry["share_before"])
        assert fields["estimated_after"] == pytest.approx(entry["share_after"])


def test_a_mix_is_estimated_by_what_it_reads(tmp_path: Path) -> None:
    """Would catch the mass of documents of low quality counted in a mix that leaves them out."""
    table = documents((certain(soccer=0.6, seo_spam=0.4), 100, 0.2), (certain(soccer=0.9, seo_spam=0.1), 100, 0.9))
    estimated = shares.estimates(write_run(tmp_path / "run", table), plan(table, quality={"low": 0}))
    spam = estimated["category"]["seo_spam"]
    assert spam["estimated_before"] == pytest.approx(0.25)
    assert spam["estimated_after"] == pytest.approx(0.1)
    assert estimated["kind"]["adult_or_harm"]["estimated_after"] == pytest.approx(0.1)


def test_known_confusions_are_taken_out_and_those_of_an_own_model_are_not_known(tmp_path: Path) -> None:
    """Would catch an estimate that states the mass as it is, and a correction of one model done to another.

    The documents are half news, half shops, and have the probabilities that pages of these kinds are known to get.
    """
    known = load_calibration().kinds.astype(float)
    known /= known.sum(axis=1, keepdims=True)
    of_kind = known[[TAXONOMY.kinds.index("news"), TAXONOMY.kinds.index("commerce")]].mean(axis=0)
    firsts = [next(leaf for leaf in LEAVES if TAXONOMY.kind[leaf] == kind) for kind in TAXONOMY.kinds]
    cell = shards.Cell("news_world", "en", "high")
    mass = {cell: 1000 * certain(**dict(zip(firsts, of_kind, strict=True)))}
    mix = {
        "name": "once",
        "cells": [cell._asdict() | {"repeats": 1.0}],
        "categories": [{"category": "news_world", "unique_tokens": 1000, "repeats": 1.0}],
    }
    errors = {}
    for model in ("default", "own.npz"):
        run = write_run(tmp_path / model, documents(), model)
        run.folder.write_table(shares.FILE, shares.to_table(mass))
        found = shares.estimates(run, mix)["kind"]
        truth = {kind: 0.5 * (kind in ("news", "commerce")) for kind in TAXONOMY.kinds}
        errors[model] = sum(abs(found[kind]["estimated_before"] - truth[kind]) for kind in truth) / 2
        for fields in found.values():
            low, high = fields["estimated_after_low"], fields["estimated_after_high"]
            assert (low is None and high is None) if model != "default" else low <= fields["estimated_after"] <= high
    assert errors["own.npz"] == pytest.approx(
        1 - of_kind[[TAXONOMY.kinds.index(k) for k in ("news", "commerce")]].sum()
    )
    assert errors["default"] < errors["own.npz"] - 0.1


def test_a_run_of_an_older_crawlmix_has_no_estimates(tmp_path: Path) -> None:
    table = documents((certain(soccer=1.0), 100, 0.9))
    run = write_run(tmp_path / "run", table)
    run.folder.remove(shares.FILE)
    assert shares.estimates(run, plan(table)) == {}


def test_two_workers_or_one_give_the_same_file(demo_run: Path, engine: Engine, tmp_path: Path) -> None:
    """Would catch sums of floats in the order in which tasks end, and mass of documents that are not in the shards."""
    run = open_run(str(shutil.copytree(demo_run, tmp_path / "run")))
    run.folder.remove("steps/shards.json")
    run.folder.remove("steps/shards")
    perform_run(run, replace(engine, workers=1), Watcher())
    assert run.folder.read_bytes(shares.FILE) == (demo_run / shares.FILE).read_bytes()
    of_cell = {cell: row.sum() for cell, row in shares.from_table(run.folder.read_table(shares.FILE)).items()}
    cells = run.folder.read_json("cells.json")
    assert of_cell == {shards.Cell(c["category"], c["language"], c["band"]): pytest.approx(c["tokens"]) for c in cells}


def test_the_models_step_flags_the_unsure(demo_run: Path) -> None:
    """Would catch a flag that is not that of the probability stored beside it, and more than the best five stored."""
    for index in range(len(open_run(str(demo_run)).parts)):
        for row in open_run(str(demo_run)).folder.read_table(f"signals/models/{part_name(index)}.parquet").to_pylist():
            if row["category"] is not None:
                assert row["unsure"] == (row["category.confidence"] < UNSURE)
                assert len(json.loads(row["categories"])) == 5
                assert sum(share for _, share in json.loads(row["groups"])) == pytest.approx(1, abs=0.1)
