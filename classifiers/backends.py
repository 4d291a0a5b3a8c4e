"""Models of the user's own in place of those that ship: a fastText file, a linear model, a Hugging Face folder.

A model is named by its path; ``default`` is the one that ships. It sees the text alone, never facts of the page. Its
labels are those of its task (``classifiers.tasks``); it need not know all of them.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers import category, quality, webtype
from classifiers.fasttext_file import is_whole
from classifiers.features import IDEOGRAPH_RANGES, MAX_CHARACTERS, hash_texts, load_vocabulary
from classifiers.linear import LinearModel, softmax
from classifiers.model_file import MODELS
from classifiers.tasks import GOOD, QUALITIES, labels_of
from classifiers.webtype import Facts
from pipeline.errors import UserError

DEFAULT = "default"
LABEL = "__label__"  # what fastText puts before a label
MAX_TOKENS = 512  # of a text that a Hugging Face model sees
BATCH = 32

Scores = NDArray[np.float32]
Classifier = Callable[[Sequence[str]], Scores]

_IDEOGRAPH = re.compile("([" + "".join(f"{chr(first)}-{chr(last)}" for first, last in IDEOGRAPH_RANGES) + "])")


def category_probabilities(texts: Sequence[str], source: str = DEFAULT) -> Scores:
    """float32 [n, 200] by the category model at ``source``, in the order of the taxonomy's leaves."""
    if source == DEFAULT:
        return category.probabilities(texts)
    return load_classifier(source, labels_of("category"))(texts)


def webtype_probabilities(texts: Sequence[str], facts: Facts | None = None, source: str = DEFAULT) -> Scores:
    """float32 [n, 11] by the web-type model at ``source``, in the order of ``webtype.TYPES``."""
    if source == DEFAULT:
        return webtype.probabilities(texts, facts)
    return load_classifier(source, webtype.TYPES)(texts)


def good_probability(texts: Sequence[str], facts: Facts | None = None, source: str = DEFAULT) -> list[float]:
    """The probability of each text to be good by the quality model at ``source``."""
    if source == DEFAULT:
        return quality.good_probability(texts, facts)
    scores = load_classifier(source, QUALITIES)(texts)
    return scores[:, [QUALITIES.index(label) for label in GOOD]].sum(axis=1).tolist()


def check(task: str, source: str) -> None:
    """Raises UserError where ``source`` is no model of the task."""
    if source != DEFAULT:
        load_classifier(source, labels_of(task))


def fingerprint(source: str) -> list[str]:
    """The name and the SHA-256 of each file of a model; nothing for the one that ships."""
    path = Path(source)
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    return [] if source == DEFAULT else [f"{file.name} {_sha256(file)}" for file in files]


@cache
def load_classifier(source: str, labels: tuple[str, ...]) -> Classifier:
    """A function from n texts to float32 [n, len(labels)]: their probabilities by the model at ``source``.

    Loaded once a process. A label that the model does not know gets 0. Raises UserError where there is no model, where
    it cannot be loaded, and where it gives a label that is not among ``labels``.
    """
    path = Path(source)
    loaders = {".bin": _load_fasttext, ".ftz": _load_fasttext, ".npz": _load_linear}
    if not path.exists():
        raise UserError(f"there is no model {source}: give a fastText file, an .npz of train-classifier or a folder")
    if not path.is_dir() and path.suffix not in loaders:
        raise UserError(f"the model {source} must be a .bin, .ftz or .npz file, or a Hugging Face folder")
    known, classify = (_load_folder if path.is_dir() else loaders[path.suffix])(path)
    places = _places(known, labels, source)

    def probabilities(texts: Sequence[str]) -> Scores:
        scores = np.zeros((len(texts), len(labels)), np.float32)
        if len(texts):
            scores[:, places] = classify(texts)
        return scores

    return probabilities


def one_line(text: str) -> str:
    """A text as fastText reads it: its first 4,000 characters on one line, each Chinese character a word of its own.

    No word may be taken for a label, here or in training.
    """
    encodable = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
    return " ".join(_IDEOGRAPH.sub(r" \1 ", encodable).replace(LABEL, "").split())


def save_linear(path: Path, model: LinearModel, labels: Sequence[str]) -> None:
    """Write a linear model on the shipped vocabulary as one file that ``load_classifier`` reads."""
    np.savez_compressed(
        path, allow_pickle=False, labels=np.array(labels), vocabulary=_vocabulary_sha256(), **model.arrays()
    )


def _places(known: Sequence[str], labels: tuple[str, ...], source: str) -> list[int]:
    """Where the labels of a model stand among ``labels``."""
    for label in known:
        if label not in labels:
            near = " or ".join(difflib.get_close_matches(label, labels, 3) or labels[:3])
            raise UserError(f"the model {source} has the label {label!r}, which is none here: did you mean {near}?")
    if len(set(known)) < len(known):
        raise UserError(f"the model {source} names a label twice: {', '.join(known)}")
    return [labels.index(label) for label in known]


def _load_fasttext(path: Path) -> tuple[list[str], Classifier]:
    from fasttext.FastText import _FastText

    try:
        if not is_whole(path):
            raise UserError(f"{path} is no whole file of a supervised fastText model: copy or train it again")
        model = _FastText(str(path))
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise UserError(f"the fastText model {path} cannot be loaded: {error}") from None
    names = [name.removeprefix(LABEL) for name in model.get_labels()]
    place = {f"{LABEL}{name}": number for number, name in enumerate(names)}

    def classify(texts: Sequence[str]) -> Scores:
        rows = np.zeros((len(texts), len(names)), np.float32)
        for row, text in zip(rows, texts, strict=True):
            # The pybind function, as FastText.predict fails with numpy 2. A line must end with \n.
            for share, label in model.f.predict(one_line(text) + "\n", -1, 0.0, "strict"):
                row[place[label]] = min(share, 1.0)
        return rows

    return names, classify


def _load_linear(path: Path) -> tuple[list[str], Classifier]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        names, vocabulary = arrays.pop("labels").tolist(), str(arrays.pop("vocabulary"))
        model = LinearModel(**arrays)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"the linear model {path} cannot be loaded ({error}): train it again") from None
    rows = len(load_vocabulary().idf)
    shapes = {name: (array.dtype, array.shape) for name, array in model.arrays().items()}
    if vocabulary != _vocabulary_sha256() or shapes != _shapes(rows, len(names)):
        raise UserError(f"the linear model {path} does not fit the vocabulary of this crawlmix: train it again")
    return names, lambda texts: softmax(model.logits(hash_texts(texts)))


def _shapes(rows: int, classes: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """What the arrays of a model must be, since the kernel that reads them checks no bounds."""
    single = np.dtype(np.float32)
    return {
        "matrix": (np.dtype(np.int8), (rows, classes)),
        "scale": (single, (rows,)),
        "bias": (single, (2, classes)),
        "dense": (single, (0, classes)),
    }


def _vocabulary_sha256() -> str:
    return _sha256(MODELS / "vocabulary.npz")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _load_folder(path: Path) -> tuple[list[str], Classifier]:
    """A sequence-classification model; its weights are read from safetensors only, and no code of the folder runs."""
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise UserError(f"the model {path} needs the packages torch and transformers: install them") from error
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
        model = AutoModelForSequenceClassification.from_pretrained(path, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the model {path} cannot be loaded ({' '.join(str(error).split())[:200]})") from None
    names = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
    if len(names) < 2:
        raise UserError(f"the model {path} gives one number, not a label: it must tell at least two labels apart")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    several = model.config.problem_type == "multi_label_classification"
    length = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", MAX_TOKENS), MAX_TOKENS)

    def classify_batch(texts: list[str]) -> Scores:
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt").to(device)
        with torch.inference_mode():
            logits = model(**inputs).logits.float()
        scores: Scores = (logits.sigmoid() if several else logits.softmax(dim=-1)).cpu().numpy()
        return scores

    def classify(texts: Sequence[str]) -> Scores:
        order = np.argsort([len(text) for text in texts], kind="stable")  # texts of a length pad each other least
        scores = np.zeros((len(texts), len(names)), np.float32)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            scores[batch] = classify_batch([texts[number] for number in batch])
        return scores

    return names, classify
