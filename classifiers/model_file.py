"""Model files: plain arrays in ``models/NAME.npz``, each with its SHA-256 in ``models/checksums.json``."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError

MODELS = Path(__file__).with_name("models")
CHECKSUMS = "checksums.json"


def read_model(name: str, folder: Path = MODELS) -> dict[str, NDArray[Any]]:
    """The arrays of a model file. Raises UserError where it is absent or its bytes are not those that were trained."""
    path = folder / f"{name}.npz"
    try:
        data = path.read_bytes()
        expected = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))[path.name]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The model {path} or its checksum cannot be read ({error}): reinstall crawlmix.") from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise UserError(f"The model {path} does not have the checksum in {CHECKSUMS}: reinstall crawlmix.")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def write_model(name: str, arrays: Mapping[str, NDArray[Any]], folder: Path = MODELS) -> Path:
    """Write a model file (uncompressed, so that it loads in milliseconds) and enter its checksum."""
    folder.mkdir(parents=True, exist_ok=True)
    path, checksums = folder / f"{name}.npz", folder / CHECKSUMS
    np.savez(path, allow_pickle=False, **arrays)
    known = json.loads(checksums.read_text(encoding="utf-8")) if checksums.exists() else {}
    known[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    checksums.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path
