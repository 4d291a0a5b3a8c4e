"""A part of a file, the limits of its records, and the formats there are."""

from __future__ import annotations

from dataclasses import dataclass

FORMATS = {
    "warc": (".warc", ".warc.gz"),
    "wet": (".wet", ".wet.gz"),
    "parquet": (".parquet",),
    "jsonl": (".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".ndjson.gz", ".ndjson.zst", ".json.gz", ".json.zst"),
}


@dataclass(frozen=True)
class Part:
    """The records of a file that begin in ``[start, end)``; ``end`` None is the end of the file.

    Positions are bytes of the stored file, or row numbers for Parquet.
    """

    path: str
    start: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Limits:
    """What one record may take. Memory stays in proportion to these, whatever a file declares or expands to."""

    max_page_bytes: int = 16_000_000  # a page or text, codings undone
    max_header_bytes: int = 65_536  # a WARC head, and an HTTP head
    max_record_bytes: int = 4_000_000_000  # inflated bytes that are gone through to pass over one record


def format_of(path: str) -> str | None:
    """``warc``, ``wet``, ``parquet`` or ``jsonl`` by the end of the name; None for any other."""
    name = path.partition("?")[0] if path.startswith(("http://", "https://")) else path
    return next((form for form, suffixes in FORMATS.items() if name.endswith(suffixes)), None)


def known_suffixes() -> str:
    return ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
