"""A model file is used only as it was trained: damaged, exchanged or missing files are refused."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from classifiers.linear import LinearModel
from classifiers.model_file import MODELS, read_model, write_model
from pipeline.errors import UserError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.int8).reshape(2, 3), "b": np.array(1.5, np.float32)}
    write_model("first", arrays, tmp_path)
    write_model("second", {"c": np.zeros(2)}, tmp_path)
    read = read_model("first", tmp_path)
    assert {name: array.tolist() for name, array in read.items()} == {"a": [[0, 1, 2], [3, 4, 5]], "b": 1.5}


def test_one_changed_byte_is_refused(tmp_path: Path) -> None:
    path = write_model("model", {"a": np.arange(1000)}, tmp_path)
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="checksum"):
        read_model("model", tmp_path)


def test_a_file_with_no_checksum_is_refused(tmp_path: Path) -> None:
    write_model("known", {"a": np.zeros(1)}, tmp_path)
    (tmp_path / "stranger.npz").write_bytes((tmp_path / "known.npz").read_bytes())
    with pytest.raises(UserError, match="stranger"):
        read_model("stranger", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent"):
        read_model("absent", tmp_path)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    write_model("plain", {"a": np.zeros(1)}, tmp_path)
    objects = np.empty(1, object)
    objects[0] = {"never": "unpickled"}
    np.savez(tmp_path / "plain.npz", a=objects)
    digest = hashlib.sha256((tmp_path / "plain.npz").read_bytes()).hexdigest()
    (tmp_path / "checksums.json").write_text(f'{{"plain.npz": "{digest}"}}')
    with pytest.raises(ValueError, match="allow_pickle"):
        read_model("plain", tmp_path)


def test_the_models_that_ship_stay_small() -> None:
    assert sum(path.stat().st_size for path in MODELS.glob("*.npz")) < 25e6


def test_rounding_to_8_bits_keeps_the_matrix() -> None:
    matrix = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    matrix[3] = 0
    model = LinearModel.quantised(matrix, np.zeros(7, np.float32))
    restored = model.matrix * model.scale[:, None]
    assert np.abs(restored - matrix).max() <= np.abs(matrix).max() / 127
