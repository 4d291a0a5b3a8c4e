"""crawlmix train-classifier: models that are the same every time, judged on other sites, and used by a run's step."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from classifiers.backends import load_classifier
from classifiers.tasks import labels_of
from classifiers.training.distil import Example, distil
from jobs.cli import main
from pipeline import balance, refine
from pipeline.config import Config, load_config
from pipeline.documents import VERDICT, VERDICTS
from pipeline.run import Run, part_name, step_key
from pipeline.schema import DOCUMENTS

WORDS = {
    "music": ["melody", "chord", "violin", "concert", "singer", "rhythm", "orchestra", "tune", "歌", "曲", "琴"],
    "drinks": ["tea", "coffee", "brew", "juice", "cocktail", "glass", "lemon", "wine", "茶", "酒", "杯"],
}
FILLER = ["the", "a", "of", "and", "in", "with", "for", "on", "的", "是", "了"]


def text_of(label: str, number: int) -> str:
    draw = random.Random(f"{label} {number}")
    return " ".join(draw.choices(WORDS[label], k=12) + draw.choices(FILLER, k=20))


def write_labels(folder: Path, **fields: Any) -> Path:
    """40 pages a label on 20 sites."""
    path = folder / "labels.jsonl"
    rows = [
        {"label": label, "text": text_of(label, n), "url": f"http://www.site{n % 20}.org/{n}", "model": "big"} | fields
        for label in WORDS
        for n in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def train(labels: Path, output: Path, *more: str) -> int:
    return main(["train-classifier", str(labels), "--task", "category", "--output", str(output), *more])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    assert train(write_labels(folder), folder / "model.ftz") == 0
    return folder / "model.ftz"


@pytest.mark.parametrize("name", ["model.ftz", "model.npz"])
def test_a_model_tells_new_texts_apart(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch labels that are swapped, a card that does not say how it was judged, and bytes that change."""
    labels, leaves = write_labels(tmp_path), labels_of("category")
    assert train(labels, tmp_path / name) == 0
    printed, card = capsys.readouterr().out, (tmp_path / "model.md").read_text()
    assert (
        "accuracy" in printed and "sites that it did not see" in printed and "balance.models.category_model" in printed
    )
    assert "| music | 40 | 8 |" in card and "80 labels by big" in card and "not calibrated" in card
    scores = load_classifier(str(tmp_path / name), leaves)([text_of("music", 99), text_of("drinks", 99)])
    assert [leaves[place] for place in scores.argmax(axis=1)] == ["music", "drinks"]
    again = tmp_path / "again" / name
    assert train(labels, again) == 0
    assert again.read_bytes() == (tmp_path / name).read_bytes()


def test_the_judged_sites_were_not_learnt_from(tmp_path: Path) -> None:
    """Would catch an accuracy that comes from pages of the same site: here the label can be told by the site alone."""
    sites = [("music" if n % 2 else "drinks", f"word{n} name{n}", f"site{n}.org") for n in range(40)]
    judged = distil(
        [Example(f"{text} {copy}", label, site) for label, text, site in sites for copy in range(5)], tmp_path / "m.npz"
    )
    assert judged.examples == 40
    assert judged.accuracy < 0.8


def test_texts_are_taken_from_the_run(model: Path, tmp_path: Path) -> None:
    """Would catch labels without texts that are left out, or that get another page's text."""
    run = write_run(tmp_path / "run", [text_of(label, n) for label in WORDS for n in range(40)])
    rows = [{"record_id": f"{n:016x}", "label": "music" if n < 40 else "drinks"} for n in range(80)]
    labels = tmp_path / "ids.jsonl"
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert train(labels, tmp_path / "model.ftz", "--run", str(run)) == 0
    assert (tmp_path / "model.ftz").read_bytes() == model.read_bytes()


def write_run(folder: Path, texts: list[str]) -> Path:
    """A run of one part, all of whose documents are kept."""
    run = Run(Config(output=str(folder)))
    run.folder.write_bytes("run.yaml", b"{}")
    run.folder.write_json("parts.json", [{"path": "a.jsonl", "start": 0, "end": None}])
    name, count = f"{part_name(0)}.parquet", len(texts)
    documents = [
        {"record_id": f"{n:016x}", "url": f"http://site{n % 40 % 20}.org/{n}", "title": "", "text": text}
        for n, text in enumerate(texts)
    ]
    run.folder.write_table(f"documents/{name}", pa.Table.from_pylist(documents, DOCUMENTS))
    run.folder.write_table(f"edits/lines/{name}", pa.table({"lines": pa.nulls(count, pa.list_(pa.int32()))}))
    run.folder.write_table(f"signals/prepare/{name}", pa.table({"language": ["en"] * count, "facts": ["{}"] * count}))
    run.folder.write_table(f"signals/models/{name}", pa.table({"category": ["music"] * count}))
    run.folder.write_table(f"ledger/{name}", pa.table({"url": [""]}))
    for step in VERDICTS:
        run.folder.write_table(f"verdicts/{step}/{name}", pa.Table.from_pylist([{}] * count, VERDICT))
    return folder


def test_a_run_scores_with_it(model: Path, tmp_path: Path) -> None:
    """Would catch a setting that is read and not used, in the models step and in that of the rules."""
    texts = [text_of("music", 99), text_of("drinks", 99)]
    folder = write_run(tmp_path / "run", texts)
    quality = tmp_path / "quality.npz"
    named = {"music": "good", "drinks": "bad"}
    distil([Example(text_of(label, n), named[label], f"{n}.org") for label in WORDS for n in range(40)], quality)
    settings = [f"balance.models.category_model={model}", f"balance.models.quality_model={quality}"]
    run = Run(load_config(None, {"output": str(folder)}, settings))
    balance.score(run, 0)
    refine.measure_rules(run, 0)
    stored = run.folder.read_table(f"signals/models/{part_name(0)}.parquet").to_pylist()
    assert [row["category"] for row in stored] == ["music", "drinks"]
    assert sum(share for _, share in json.loads(stored[0]["kinds"])) == pytest.approx(1, abs=1e-3)
    good, bad = run.folder.read_table(f"signals/rules/{part_name(0)}.parquet", ["quality"])["quality"].to_pylist()
    assert good > 0.5 > bad


def test_a_trained_anew_model_runs_its_step_again(model: Path, tmp_path: Path) -> None:
    """Would catch results of the old model under the same file name."""
    own = tmp_path / "own.ftz"
    for name, step in {"category": balance.MODELS, "webtype": balance.MODELS, "quality": refine.RULES}.items():
        own.write_bytes(model.read_bytes())
        config = load_config(None, None, [f"balance.models.{name}_model={own}"])
        keys = {step_key(step, load_config(None), ""), step_key(step, config, "")}
        own.write_bytes(model.read_bytes() + b"x")
        assert len(keys | {step_key(step, config, "")}) == 3


def test_a_run_refuses_a_wrong_model_at_once(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch hours of work before the models step finds no model, or one of another task."""
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    start = ["run", "--input", str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "run"), "--set"]
    for setting, words in {
        "balance.models.category_model=/nowhere/model.ftz": "/nowhere/model.ftz",
        f"balance.models.webtype_model={model}": "which is none here",
        f"balance.models.quality_model={__file__}": ".ftz",
    }.items():
        assert main([*start, setting]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


REFUSALS = {
    "no such label": ('{"label": "musik", "text": "a"}\n', "musik"),
    "of another task": ('{"label": "music", "text": "a", "task": "webtype"}\n', "category"),
    "no text": ('{"label": "music", "record_id": "00"}\n', "--run"),
    "nothing": ("", "no labels"),
    "one label": ('{"label": "music", "text": "a"}\n' * 3, "same label"),
    "no JSON": ("label,text\n", "JSON"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_labels_that_cannot_be_learnt_are_refused(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a model of rubbish, and a traceback."""
    content, words = REFUSALS[case]
    (tmp_path / "labels.jsonl").write_text(content)
    assert train(tmp_path / "labels.jsonl", tmp_path / "model.npz") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "model.npz").exists()


def test_the_output_says_what_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a file whose name a run cannot load, and one site that judges itself."""
    labels = write_labels(tmp_path, url="http://one.org/")
    for output, more in (("model.pkl", ()), ("model.npz", ("--kind", "fasttext")), ("model.ftz", ("--kind", "linear"))):
        assert train(labels, tmp_path / output, *more) == 2
        assert "ends in" in capsys.readouterr().err
    assert train(labels, tmp_path / "model.npz") == 2
    assert "one.org" in capsys.readouterr().err
    assert train(Path("/nowhere/labels.jsonl"), tmp_path / "model.npz") == 2
    assert "cannot read /nowhere/labels.jsonl" in capsys.readouterr().err
