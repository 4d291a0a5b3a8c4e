"""What a format has to do: turn a shard's documents into files, and say how they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa


@dataclass(frozen=True)
class Format(ABC):
    """A format, for token ids of a vocabulary of this size whose documents end with ``eos_id``."""

    vocabulary: int
    eos_id: int
    reading: ClassVar[str]  # Markdown: what is in the files, and the lines of code that read them

    @abstractmethod
    def encode(self, documents: pa.Table, name: str) -> dict[str, bytes]:
        """The files of the shard ``name``, by their names. ``documents``: schema pipeline.mix.export.DOCUMENT."""

    def index(self, shards: list[dict[str, Any]]) -> dict[str, bytes]:
        """The files that the format wants beside its shards, which are described as in manifest.json."""
        return {}


def facts(documents: pa.Table, leave_out: tuple[str, ...]) -> list[dict[str, Any]]:
    """All but these columns as JSON values, an object a document."""
    rows = documents.drop_columns([*leave_out]).to_pylist()
    for row in rows:
        if row["quality"] is not None:
            row["quality"] = round(row["quality"], 6)  # a float32 has no more digits
    return rows
