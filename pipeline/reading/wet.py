"""WET files: the plain text that a crawl's owner has extracted, in ``conversion`` records."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.reading.parts import Limits, Part
from pipeline.reading.warc import addressed_record, page_of, read_records
from pipeline.schema import Record


def read_wet(part: Part, limits: Limits) -> Iterator[Record]:
    """Every record of the part; conversions hold ``text``, the others are read as in a WARC file."""
    return read_records(part, limits, _text_of)


def _text_of(fields: dict[bytes, bytes], block: bytes, whole: bool, limits: Limits) -> Record:
    if fields.get(b"warc-type", b"").lower() != b"conversion":
        return page_of(fields, block, whole, limits)
    record = addressed_record(fields)
    if record.reason is None:
        set_text(record, block.decode("utf-8", "replace") if whole else None, limits)
    return record


def set_text(record: Record, text: str | None, limits: Limits) -> None:
    """Give the record its text, or the reason why it has none; None is a text that was too long to be held."""
    if text is None or len(text) > limits.max_page_bytes:
        record.reason = "text.too_large"
    elif not text.strip():
        record.reason = "text.empty"
    else:
        record.text = text
