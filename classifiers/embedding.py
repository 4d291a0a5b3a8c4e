"""Vectors of texts for semantic deduplication: cosine near 1 means nearly the same content.

The default needs no download: TF-IDF weights of hashed words and characters, projected to 256 dimensions by random
signs that are computed from the bucket itself (a sparse text keeps its cosines up to about 1/16: Achlioptas 2003,
https://doi.org/10.1016/S0022-0000(03)00025-4). A folder with a sentence-transformers or Hugging Face model gives
vectors of meaning instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from classifiers.features import hash_buckets
from pipeline.errors import UserError

DIMENSIONS = 256
MAX_TOKENS = 512  # where a model's folder does not say
BATCH = 32

Vectors = NDArray[np.float32]


def embed(texts: Sequence[str], embedder: str = "hashing") -> Vectors:
    """float32 [n, d], rows of L2 norm 1; a text without any feature gives a row of zeros, which is like no other.

    ``embedder`` is ``hashing`` (d = 256) or the path of a local model folder. Raises UserError where the folder is
    absent or holds no model that can be loaded.
    """
    vectors = _project(texts) if embedder == "hashing" else _load_encoder(embedder)(texts)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def _project(texts: Sequence[str]) -> Vectors:
    hashed = hash_buckets(texts)
    return _sum_of_signs(hashed.indptr, hashed.rows, hashed.weights)


@njit(cache=True, nogil=True)
def _sign_word(index: int) -> np.uint64:
    """64 pseudo-random bits for an index: splitmix64 (Steele et al. 2014)."""
    bits = np.uint64(index) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(cache=True, nogil=True)
def _sum_of_signs(indptr: NDArray[np.int64], buckets: NDArray[np.int32], weights: Vectors) -> Vectors:
    out = np.zeros((len(indptr) - 1, DIMENSIONS), np.float32)
    for i in range(len(out)):
        total = out[i]
        for k in range(indptr[i], indptr[i + 1]):
            weight = weights[k]
            for block in range(DIMENSIONS // 64):
                bits = _sign_word(buckets[k] * (DIMENSIONS // 64) + block)
                for d in range(64):
                    sign = np.int64(bits >> np.uint64(d) & np.uint64(1)) * 2 - 1
                    total[block * 64 + d] += weight * np.float32(sign)
    return out


@cache
def _load_encoder(path: str) -> Callable[[Sequence[str]], Vectors]:
    """The encoder in a model folder, loaded once a process; weights are read from safetensors files only."""
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise UserError(f"The embedder {path} is no model folder (no config.json): give 'hashing' or a model's path.")
    pooling, max_tokens = _read_pooling(folder), _read_max_tokens(folder)
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise UserError(f"The embedder {path} needs the packages torch and transformers: install them.") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = AutoModel.from_pretrained(path, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The embedder {path} cannot be loaded ({error}): give a complete model folder.") from error

    def encode_batch(texts: list[str]) -> Vectors:
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state.float()
        if pooling == "cls":
            return states[:, 0].numpy()
        mask = inputs["attention_mask"].unsqueeze(-1).float()
        return ((states * mask).sum(1) / mask.sum(1).clamp(min=1)).numpy()

    def encode(texts: Sequence[str]) -> Vectors:
        batches = [encode_batch(list(texts[at : at + BATCH])) for at in range(0, len(texts), BATCH)]
        return np.concatenate(batches) if batches else np.zeros((0, model.config.hidden_size), np.float32)

    return encode


def _read_pooling(folder: Path) -> str:
    """``mean`` or ``cls``, as the folder's sentence-transformers modules say; ``mean`` where it has none."""
    modules = _read_json(folder / "modules.json", [])
    kinds = {module["type"].rsplit(".", 1)[-1]: module["path"] for module in modules}
    if unknown := set(kinds) - {"Transformer", "Pooling", "Normalize"}:
        raise UserError(f"The embedder {folder} has modules that are not supported ({', '.join(sorted(unknown))}).")
    config = _read_json(folder / kinds.get("Pooling", "1_Pooling") / "config.json", {})
    if config.get("pooling_mode_cls_token"):
        return "cls"
    if config and not config.get("pooling_mode_mean_tokens"):
        raise UserError(f"The embedder {folder} pools neither by mean nor by the first token: choose another model.")
    return "mean"


def _read_max_tokens(folder: Path) -> int:
    return int(_read_json(folder / "sentence_bert_config.json", {}).get("max_seq_length") or MAX_TOKENS)


def _read_json(path: Path, default: Any) -> Any:
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): give the folder of a complete model.") from error
