"""crawlmix mix show, plan, set and diff on a small run."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from classifiers.taxonomy import load_taxonomy
from jobs.cli import main
from pipeline import tokens
from pipeline.mix import shards, shares
from pipeline.mix.repeats import record_numbers, repeat_count
from pipeline.mix.spec import NAMED
from pipeline.storage import Folder
from trainer.data import Corpus, Stream

SIZES = {"pure_mathematics": 60, "science_fiction": 80, "product_electronics": 30}
FIELDS = {
    "category", "group", "kind", "documents", "unique_tokens", "share_before", "target_share", "share_after", "repeats",
    "shortfall",
}  # fmt: skip
ESTIMATES = {f"estimated_{when}{end}" for when in ("before", "after") for end in ("", "_low", "_high")}
EVIL = "Title \x1b[31m[bold]\u202e"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mix") / "run"
    folder, random = Folder(str(path)), np.random.default_rng(0)
    folder.write_bytes("run.yaml", b"{}")
    folder.write_bytes("tokenizer.json", tokens.train(iter(["the sea and the tide"] * 50), 300).to_json().encode())
    written = [
        shards.write_category([documents(name, size, random)], name, folder, 10**6) for name, size in SIZES.items()
    ]
    folder.write_json(shards.MANIFEST, shards.manifest(file for entry in written for file in entry["files"]))
    folder.write_json("cells.json", [cell for entry in written for cell in entry["cells"]])
    assert main(["mix", "set", str(path), "--mix", "balanced"]) == 0
    return path


def documents(category: str, count: int, random: np.random.Generator) -> pa.Table:
    ids = [random.integers(0, 250, random.integers(1, 200)).tolist() for _ in range(count)]
    rows = {
        "record_id": [f"{number:016x}" for number in random.integers(0, 2**63, count)],
        "url": [f"https://{category}.example/{row}" for row in range(count)],
        "title": [EVIL] * count,
        "language": ["zh" if row % 3 == 0 else "en" for row in range(count)],
        "quality": pa.array(random.random(count), pa.float32()),
        "date": [""] * count,
        "text": pa.array([f"{category} number {row}\nwith more" for row in range(count)], pa.large_string()),
        "tokens": pa.array([len(one) for one in ids], pa.int32()),
        "token_ids": pa.array(ids, pa.list_(pa.int32())),
    }
    return pa.table(rows, schema=shards.SHARD)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    capsys.readouterr()
    assert main(["mix", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(params=["default", "own.npz"])
def estimated_run(run: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The same run with its mass: of each document a fifth is spam; by crawlmix's category model or the user's own."""
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    (copy / "run.yaml").write_text(f"balance: {{models: {{category_model: {request.param}}}}}")
    leaves, mass = load_taxonomy().leaves, {}
    for cell in json.loads((copy / "cells.json").read_text()):
        row = mass[shards.Cell(cell["category"], cell["language"], cell["band"])] = np.zeros(len(leaves))
        row[leaves.index(cell["category"])] = 0.8 * cell["tokens"]
        row[leaves.index("seo_spam")] = 0.2 * cell["tokens"]
    Folder(str(copy)).write_table(shares.FILE, shares.to_table(mass))
    return copy


def files(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_plan_writes_nothing_and_states_what_the_trainer_draws(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a plan whose shares the trainer does not draw, or draws on average only."""
    before = files(run)
    rows = printed(capsys, "plan", run, "--mix", "anneal")
    assert files(run) == before
    assert all(row.keys() >= FIELDS for row in rows)
    main(["mix", "set", str(run), "--mix", "anneal"])
    corpus = Corpus(str(run))
    read = Stream(corpus, "mixes/anneal.json", seed=0).repeats * corpus.tokens
    drawn = dict(zip(corpus.categories, np.bincount(corpus.category, weights=read) / read.sum(), strict=True))
    assert {row["category"]: row["share_after"] for row in rows if row["documents"]} == pytest.approx(drawn)
    main(["mix", "set", str(run), "--mix", "balanced"])
    assert {name for name, content in files(run).items() if content != before.get(name)} == {"mixes/anneal.json"}


def test_set_makes_a_spec_file_current_and_saves_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(run)
    (tmp_path / "sea-mix.yaml").write_text("languages: {zh: 1, en: 1}\nweights: {fiction: 0.5}\nbudget: 6000\n")
    assert main(["mix", "set", str(run), "--mix", str(tmp_path / "sea-mix.yaml")]) == 0
    assert "mix: mixes/sea-mix.json" in capsys.readouterr().out
    after = files(run)
    assert after["mixes/sea-mix.json"] == after["mix.json"]
    assert {name for name in after if after[name] != before.get(name)} == {"mix.json", "mixes/sea-mix.json"}
    mix = json.loads(after["mix.json"])
    assert mix["name"] == "sea-mix" and mix["spec"]["budget"] == 6000
    assert mix["tokenizer"] == json.loads(before["mix.json"])["tokenizer"]
    assert printed(capsys, "show", run) == printed(capsys, "show", run, "--mix", "sea-mix") == mix["categories"]
    assert printed(capsys, "plan", run, "--mix", "current") == mix["categories"]
    fewer = printed(capsys, "plan", run, "--mix", "current", "--set", "weights.fiction=0", "--set", "name=other")
    assert {row["category"]: row["target_share"] for row in fewer}["science_fiction"] == 0
    main(["mix", "set", str(run), "--mix", "balanced"])


def test_diff_counts_documents_by_the_nested_rule(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compares with the rule applied to one document after the other."""
    main(["mix", "set", str(run), "--mix", "natural"])
    main(["mix", "set", str(run), "--mix", "balanced"])
    mixes = [json.loads((run / f"mixes/{name}.json").read_text()) for name in ("natural", "balanced")]
    weights = [{(c["category"], c["language"], c["band"]): c["repeats"] for c in mix["cells"]} for mix in mixes]
    wanted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    moved: defaultdict[str, list[str]] = defaultdict(list)
    for entry in json.loads((run / shards.MANIFEST).read_text())["files"]:
        category = shards.category_of(f"shards/{entry['path']}")
        for row in Folder(str(run)).read_table(f"shards/{entry['path']}").to_pylist():
            band = "low" if row["quality"] < 0.5 else "middle" if row["quality"] < 0.8 else "high"
            record = int(record_numbers([row["record_id"]])[0])
            a, b = (repeat_count(record, one[category, row["language"], band], 0) for one in weights)
            wanted[category].update(
                tokens_a=a * row["tokens"], tokens_b=b * row["tokens"], documents_a=a, documents_b=b
            )
            if bool(a) != bool(b):
                moved[f"{category} {'leaves' if a else 'enters'}"].append(row["record_id"])
    rows = printed(capsys, "diff", run, "natural", "current", "--samples", "3")
    assert [row["category"] for row in rows] == [name for name, size in SIZES.items() if size]
    for row in rows:
        assert {name: row[name] for name in wanted[row["category"]]} == wanted[row["category"]]
        for direction, count in (("enters", "documents_entering"), ("leaves", "documents_leaving")):
            ids = sorted(moved[f"{row['category']} {direction}"])
            assert row[count] == len(ids)
            assert [sample["record_id"] for sample in row[direction]] == ids[:3]
        for sample in row["leaves"]:
            place = int(sample["url"].rsplit("/", 1)[1])
            assert sample["text"] == f"{row['category']} number {place} with more"


def test_diff_of_a_mix_with_itself_is_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for row in printed(capsys, "diff", run, "balanced", "mixes/balanced"):
        assert row["tokens_a"] == row["tokens_b"] and row["documents_a"] == row["documents_b"]
        assert not row["enters"] and not row["leaves"]


@pytest.mark.parametrize("by", ["kind", "group", "category"])
def test_show_states_what_the_documents_truly_hold(
    estimated_run: Path, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches counted best guesses sold as true shares, rows that do not add up, and an interval that nobody knows."""
    own = "own.npz" in (estimated_run / "run.yaml").read_text()
    rows = printed(capsys, "show", estimated_run, "--by", by)
    assert all(row.keys() >= {by, *FIELDS - {"category", "group", "kind"}, *ESTIMATES} for row in rows)
    for field in ("share_before", "share_after", "estimated_before", "estimated_after"):
        assert sum(row[field] for row in rows) == pytest.approx(1)
    (spam,) = [row for row in rows if row[by] in ("seo_spam", "boilerplate_harm", "adult_or_harm")]
    assert spam["documents"] == 0 and spam["repeats"] == 0
    for row in rows:
        for field in ("estimated_before", "estimated_after"):
            assert own or row[f"{field}_low"] <= row[field] <= row[f"{field}_high"]
            assert not own or row[f"{field}_low"] is row[f"{field}_high"] is None
    assert not own or (spam["estimated_before"], spam["estimated_after"]) == pytest.approx((0.2, 0.2))
    assert main(["mix", "show", str(estimated_run), "--by", by]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(spam[by]))
    assert line.count("(") == (0 if own else 2)
    assert not own or line.count(" 20.0% ") == 2


def test_show_says_what_its_estimates_are(estimated_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches stated mass that looks like a corrected estimate."""
    own = "own.npz" in (estimated_run / "run.yaml").read_text()
    assert main(["mix", "show", str(estimated_run)]) == 0
    shown = capsys.readouterr().out
    assert ("no correction, no interval" in shown) == own
    assert ("(90 % interval)" in shown) != own


def test_show_of_an_older_run_says_how_to_get_estimates(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mix", "show", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "crawlmix run again adds it" in shown and " estimated " not in shown.split("before, target")[0]
    assert not any(ESTIMATES & row.keys() for row in printed(capsys, "show", run))


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_a_narrow_terminal_still_names_the_rows(
    estimated_run: Path, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches numbers that leave no room for the name that they belong to."""
    monkeypatch.setattr("jobs.mix_show.wide_console", lambda: Console(width=columns))
    assert main(["mix", "show", str(estimated_run), "--by", "group"]) == 0
    shown = capsys.readouterr().out
    assert "\nfiction_creative " in shown and "…" not in shown
    assert " docs " in shown or columns == 80


@pytest.mark.parametrize("by", ["kind", "group", "category", "language", "band"])
def test_tables_hold_every_row_and_no_control_character(run: Path, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches page text that steers the terminal, and names that are cut where no terminal limits the width."""
    names = {
        "kind": "commerce",
        "group": "mathematics",
        "category": "product_electronics",
        "language": "zh",
        "band": "low",
    }
    for command in (["show", str(run)], ["diff", str(run), "natural", "balanced"]):
        capsys.readouterr()
        assert main(["mix", *command, "--by", by]) == 0
        shown = capsys.readouterr().out
        assert f"\n{names[by]} " in shown
        assert "\x1b" not in shown and "\u202e" not in shown
    assert "leaves, for example" in shown and "Title  [31m[bold]" in shown


def test_plan_says_where_the_slack_went(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mix", "plan", str(run), "--mix", "natural", "--set", "shares.commerce=0.99"]) == 0
    shown = capsys.readouterr().out
    assert "falls short: product_electronics" in shown and "takes it: science_fiction" in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "{run}", "--mix", "ballanced"], "no mix 'ballanced': did you mean balanced"),
        (["plan", "{run}", "--mix", "{tmp}/absent.yaml"], "cannot read the mix"),
        (["plan", "{run}", "--mix", "{tmp}/list.yaml"], "must be a mapping of fields"),
        (["plan", "{run}", "--mix", "{tmp}/broken.yaml"], "no valid YAML"),
        (["plan", "{run}", "--mix", "{tmp}/wrong.yaml"], "no field 'weight': did you mean weights"),
        (["plan", "{run}", "--mix", "natural", "--set", "budget"], "write it as field=value"),
        (["plan", "{run}", "--mix", "natural", "--set", "budget.x=1"], "write it as field=value"),
        (["plan", "{run}", "--mix", "natural", "--set", "weights.fiction={{"], "no valid YAML"),
        (["plan", "{run}", "--mix", "natural", "--set", "weights.fictoin=1"], "did you mean fiction"),
        (["plan", "{run}", "--mix", "natural", "--set", "budget=1000000000"], "its caps allow no more than"),
        (["set", "{run}", "--mix", "natural", "--set", "max_repeats=2"], "natural is a mix of crawlmix's own"),
        (["diff", "{run}", "natural", "balanced", "--samples", "-1"], "--samples must be at least 0"),
        (["show", "{tmp}"], "holds no run"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    run: Path, tmp_path: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.yaml").write_text("- 1")
    (tmp_path / "broken.yaml").write_text("weights: {")
    (tmp_path / "wrong.yaml").write_text("weight: {fiction: 2}")
    assert main(["mix", *(argument.format(run=run, tmp=tmp_path) for argument in arguments)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


def test_a_mix_of_other_shards_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a saved mix that outlives a run whose thresholds changed."""
    copy = shutil.copytree(run, tmp_path / "run")
    manifest = json.loads((copy / shards.MANIFEST).read_text())
    (copy / shards.MANIFEST).write_text(json.dumps(manifest | {"tokens": manifest["tokens"] + 1}))
    assert main(["mix", "show", str(copy)]) == 2
    assert "was planned for other shards" in capsys.readouterr().err


def test_every_named_mix_plans(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMED:
        assert sum(row["share_after"] for row in printed(capsys, "plan", run, "--mix", name)) == pytest.approx(1)
