"""Models in place of those that ship: each format, the labels, and files that are damaged or of another kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifiers import backends, quality, webtype
from classifiers.backends import load_classifier, one_line, save_linear
from classifiers.features import load_vocabulary
from classifiers.linear import LinearModel
from classifiers.tasks import QUALITIES, labels_of
from classifiers.training.distil import Example, train_fasttext
from pipeline.errors import UserError

FRUIT = ["apples and pears in a basket of fruit", "ripe pears, plums and apples", "篮子里有苹果和梨子"]
GEARS = ["the engine turns a steel gear", "oil for the gear of an engine", "发动机带动齿轮转动"]


def write_fasttext(path: Path, labels: tuple[str, str]) -> Path:
    pairs = zip(labels, (FRUIT, GEARS), strict=True)
    train_fasttext([Example(text, label, "") for label, texts in pairs for text in texts] * 20, path)
    return path


@pytest.fixture(scope="module")
def fasttext_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fasttext(tmp_path_factory.mktemp("model") / "fruit.ftz", ("article", "tool"))


def write_folder(folder: Path, labels: list[str], **settings: Any) -> Path:
    """A tiny sequence-classification model with random weights."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "apples", "pears", "engine", "gear", "and", "the"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "initializer_range": 1.0,
    }
    config = transformers.BertConfig(vocab_size=len(words), id2label=dict(enumerate(labels)), **sizes, **settings)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_default_is_the_shipped_model() -> None:
    """Would catch a run without own models that gives other figures than the models' own functions."""
    facts = [{"url": "https://example.org/shop/"}] * len(FRUIT)
    assert np.array_equal(backends.webtype_probabilities(FRUIT, facts), webtype.probabilities(FRUIT, facts))
    assert backends.good_probability(FRUIT, facts) == quality.good_probability(FRUIT, facts)
    assert backends.category_probabilities(FRUIT).shape == (3, 200)
    assert backends.fingerprint("default") == []


def test_fasttext_probabilities_stand_at_their_labels(fasttext_model: Path) -> None:
    """Would catch labels in the model's order, and mass at a label that it does not know."""
    scores = backends.webtype_probabilities([*FRUIT, *GEARS, ""], None, str(fasttext_model))
    assert scores.shape == (7, len(webtype.TYPES)) and scores.dtype == np.float32
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert [webtype.TYPES[place] for place in scores[:6].argmax(axis=1)] == ["article"] * 3 + ["tool"] * 3
    unknown = [place for place, name in enumerate(webtype.TYPES) if name not in ("article", "tool")]
    assert not scores[:, unknown].any()
    assert backends.webtype_probabilities([], None, str(fasttext_model)).shape == (0, len(webtype.TYPES))


def test_a_text_cannot_speak_fasttext() -> None:
    """Would catch a page that closes its line, names a label itself, or holds what cannot be encoded."""
    assert one_line("a __label__tool\nb\r\n\u2028c \ud800 机器x") == "a tool b c ? 机 器 x"
    assert len(one_line("x" * 10_000)) == 4000


@pytest.mark.parametrize(("labels", "suffix"), [(("good", "bad"), "bin"), (("3", "0"), "ftz"), (("2", "1"), "ftz")])
def test_quality_is_the_mass_of_the_good_labels(labels: tuple[str, str], suffix: str, tmp_path: Path) -> None:
    """Would catch scores of the guide that are not taken for good or bad."""
    model = write_fasttext(tmp_path / f"quality.{suffix}", labels)
    good = backends.good_probability([FRUIT[0], GEARS[0]], None, str(model))
    assert good[0] > 0.8 and good[1] < 0.2


def test_unknown_labels_are_refused_with_close_ones(tmp_path: Path) -> None:
    """Would catch a misspelt leaf whose documents silently go elsewhere."""
    model = write_fasttext(tmp_path / "fruit.ftz", ("pure_mathematic", "video_games"))
    with pytest.raises(UserError, match=r"pure_mathematic'.*pure_mathematics"):
        load_classifier(str(model), labels_of("category"))


def test_a_cut_fasttext_file_is_refused(fasttext_model: Path, tmp_path: Path) -> None:
    """Would catch the library's crash, or probabilities of nothing, on a file that was not copied whole."""
    whole = fasttext_model.read_bytes()
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / f"{size}.ftz"
        cut.write_bytes(whole[:size])
        with pytest.raises(UserError, match="whole file"):
            load_classifier(str(cut), webtype.TYPES)


def test_linear_models_come_back_as_they_were(tmp_path: Path) -> None:
    """Would catch columns in another order, and a model of another vocabulary that reads beyond its matrix."""
    rows = len(load_vocabulary().idf)
    matrix = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    path = tmp_path / "model.npz"
    save_linear(path, LinearModel.quantised(matrix, np.array([0.5, -0.5], np.float32)), ["tool", "article"])
    scores = load_classifier(str(path), webtype.TYPES)(["", FRUIT[0]])
    empty = 1 / (1 + np.exp(-1))
    assert scores[0, [webtype.TYPES.index("tool"), webtype.TYPES.index("article")]] == pytest.approx([empty, 1 - empty])
    small = tmp_path / "small.npz"
    save_linear(small, LinearModel.quantised(matrix[:5], np.zeros(2, np.float32)), ["tool", "article"])
    with pytest.raises(UserError, match="vocabulary"):
        load_classifier(str(small), webtype.TYPES)


@pytest.mark.parametrize("name", ["text.npz", "pickle.npz", "other.npz"])
def test_a_file_that_is_no_linear_model_is_refused(name: str, tmp_path: Path) -> None:
    """Would catch a pickle that is loaded, and tracebacks of numpy."""
    path = tmp_path / name
    if name == "text.npz":
        path.write_text("no model")
    elif name == "pickle.npz":
        np.savez(path, labels=np.array([{}], object), vocabulary="")
    else:
        np.savez(path, something=np.zeros(3))
    with pytest.raises(UserError, match=str(path)):
        load_classifier(str(path), webtype.TYPES)


def test_a_folder_scores_by_its_own_label_names(tmp_path: Path) -> None:
    """Would catch columns by number instead of by name, and texts that depend on their neighbours in a batch."""
    folder = write_folder(tmp_path / "model", ["2", "0", "3"])
    classify = load_classifier(str(folder), QUALITIES)
    texts = [f"apples and pears {'gear ' * number}" for number in range(70)]
    scores = classify(texts)
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert not scores[:, [QUALITIES.index(name) for name in ("1", "bad", "good")]].any()
    assert classify(texts[37:38])[0] == pytest.approx(scores[37], abs=1e-5)
    assert len({tuple(row.round(6)) for row in scores[:5]}) == 5
    good = scores[:, QUALITIES.index("2")] + scores[:, QUALITIES.index("3")]
    assert backends.good_probability(texts, None, str(folder)) == pytest.approx(good, abs=1e-6)


def test_folders_that_cannot_serve_are_refused(tmp_path: Path) -> None:
    """Would catch weights in pickles, a regression taken for labels, and labels without a name."""
    with pytest.raises(UserError, match="one number"):
        load_classifier(str(write_folder(tmp_path / "regression", ["good"])), QUALITIES)
    with pytest.raises(UserError, match="LABEL_0"):
        load_classifier(str(write_folder(tmp_path / "unnamed", ["LABEL_0", "LABEL_1"])), QUALITIES)
    pickled = write_folder(tmp_path / "pickled", ["good", "bad"])
    import torch

    torch.save({}, pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        load_classifier(str(pickled), QUALITIES)
    with pytest.raises(UserError, match="cannot be loaded"):
        (tmp_path / "empty").mkdir()
        load_classifier(str(tmp_path / "empty"), QUALITIES)


def test_code_in_a_folder_does_not_run(tmp_path: Path) -> None:
    """Would catch a model folder that runs its own Python."""
    folder = write_folder(tmp_path / "model", ["good", "bad"])
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "evil",
        "auto_map": {"AutoModelForSequenceClassification": "evil.Model", "AutoConfig": "evil.C"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: ...\nclass C: ...\n")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_classifier(str(folder), QUALITIES)
    assert not (tmp_path / "ran").exists()


def test_fingerprints_follow_the_bytes(fasttext_model: Path, tmp_path: Path) -> None:
    """Would catch a replaced model file whose old results are kept."""
    copy = tmp_path / "fruit.ftz"
    copy.write_bytes(fasttext_model.read_bytes())
    before = backends.fingerprint(str(copy))
    assert before == backends.fingerprint(str(fasttext_model))
    copy.write_bytes(copy.read_bytes() + b"x")
    assert backends.fingerprint(str(copy)) != before
    assert [line.split()[0] for line in backends.fingerprint(str(tmp_path))] == ["fruit.ftz"]
