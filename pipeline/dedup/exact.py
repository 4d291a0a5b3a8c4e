"""Exact dedup: documents with the same normal form are copies (dots.llm1 report, section 4.1: identity removal)."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from pipeline.dedup.ranking import groups

# Unicode has no punctuation beyond its first two planes.
PUNCTUATION = {code: None for code in range(0x20000) if unicodedata.category(chr(code))[0] == "P"}


def normal_form(text: str) -> str:
    """The text in lower case, without punctuation (Unicode category P), in NFD, with single spaces."""
    return " ".join(unicodedata.normalize("NFD", text.lower().translate(PUNCTUATION)).split())


def keys(texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """The two halves, uint64 [n] each, of the MD5 of each text's normal form.

    A text of nothing but punctuation has an empty normal form and stands for itself.
    """
    digests = [hashlib.md5((normal_form(text) or text).encode(), usedforsecurity=False).digest() for text in texts]
    halves = np.frombuffer(b"".join(digests), "<u8").astype(np.uint64).reshape(-1, 2)
    return halves[:, 0], halves[:, 1]


def reduce(rows: pa.Table) -> pa.Table:
    """Answers for every document that has a copy: part, row, keeper, copies.

    ``rows``: key, key2, part, row, length, record_id. The longest text stays, then the smallest record_id; its
    ``keeper`` is null. ``copies`` is the size of the group, the kept document included.
    """
    found = groups(rows, ("key", "key2"))
    beaten = found.best != np.arange(len(found.best))
    keeper = found.rows["record_id"].take(pa.array(found.best, mask=~beaten))
    return (
        found.rows.select(["part", "row"])
        .append_column("keeper", keeper)
        .append_column("copies", pa.array(found.size, pa.int32()))
    )
