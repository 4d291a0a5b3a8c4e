"""The shapes that pass between steps: one record of a crawl file, and the Arrow schemas of what a run stores.

Identity: a record is (file, byte offset); ``record_id`` is a 64-bit hash of the two, written as 16 hex characters.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pyarrow as pa


@dataclass(slots=True)
class Record:
    """One entry of a crawl file, as a reader hands it on.

    A record with a ``reason`` is passed over (its type, its HTTP status …) or, with ``quarantined``, could not be read.
    """

    offset: int  # byte offset of the record in the stored file (row number for tables)
    length: int  # bytes it takes there
    url: str = ""
    date: str = ""  # ISO, as the record says
    status: int = 0  # HTTP status
    content_type: str = ""  # media type of the HTTP head, lower case
    charset: str = ""  # charset of the HTTP head
    body: bytes = b""  # HTML with transfer and content codings undone
    text: str | None = None  # for inputs that are text already (WET, Parquet, JSONL)
    reason: str | None = None
    quarantined: bool = False
    detail: str = ""  # one phrase for people, such as "gzip member fails its CRC"


def record_id(file: str, offset: int) -> str:
    """The stable name of a record: 16 hex characters of BLAKE2b over file name and offset."""
    return hashlib.blake2b(f"{file}\0{offset}".encode(), digest_size=8).hexdigest()


RECORDS = pa.schema(
    {
        "record_id": pa.string(),
        "file": pa.string(),
        "offset": pa.int64(),
        "length": pa.int64(),
        "url": pa.string(),
        "step": pa.string(),  # the step that decided, or the last of the stage
        "reason": pa.string(),
        "quarantined": pa.bool_(),
        "detail": pa.string(),
        "document": pa.int32(),  # row in documents/, null where no text came out
    }
)

DOCUMENTS = pa.schema(
    {
        "record_id": pa.string(),
        "url": pa.string(),
        "date": pa.string(),
        "title": pa.string(),
        "text": pa.large_string(),
    }
)

LEDGER = pa.schema(
    {
        "record_id": pa.string(),
        "file": pa.string(),
        "offset": pa.int64(),
        "length": pa.int64(),
        "url": pa.string(),
        "step": pa.string(),  # the last step that the record reached
        "verdict": pa.string(),  # kept, dropped, quarantined
        "reason": pa.string(),
        "detail": pa.string(),
        "tokens": pa.int64(),  # null where the document was not kept
    }
)
