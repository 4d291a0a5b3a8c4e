"""A mix written out for other trainers, a module a format."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.export.format import Format

FORMATS = {
    "parquet": "Parquet",
    "jsonl": "JsonLines",
    "mds": "Mds",
    "megatron": "Megatron",
    "webdataset": "WebDataset",
}


def make_format(name: str, vocabulary: int, eos_id: int) -> Format:
    """The format of this name, one of FORMATS."""
    made: Format = getattr(import_module(f"pipeline.export.{name}"), FORMATS[name])(vocabulary, eos_id)
    return made
