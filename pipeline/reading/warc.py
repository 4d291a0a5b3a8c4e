"""WARC files, plain or gzipped, sound or broken (ISO 28500; WARC/1.0 and 1.1 are read alike).

The records that are given tile the part: every byte of it lies in exactly one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pipeline.reading import http
from pipeline.reading.parts import Limits, Part
from pipeline.reading.streams import (
    MemberStream,
    PlainStream,
    Stream,
    Unreadable,
    begins_record,
    is_member,
    next_sound_member,
)
from pipeline.reading.urls import clean_url, without_login
from pipeline.reading.window import Window, open_window
from pipeline.schema import Record

# Makes a Record of a WARC head's fields, as much of the block as limits allow, and whether that is all of it.
Interpreter = Callable[[dict[bytes, bytes], bytes, bool, Limits], Record]

KNOWN_TYPES = {b"warcinfo", b"request", b"metadata", b"revisit", b"resource", b"conversion", b"continuation"}
OTHER_PROTOCOL = re.compile(rb"(?:dns|ftps?|gopher|gemini|whois|wss?):", re.IGNORECASE)
ISO_DATE = re.compile(r"\d{4}-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?Z)?)?")


def read_warc(part: Part, limits: Limits) -> Iterator[Record]:
    """Every record of the part; pages are the responses with status 200 and HTML."""
    return read_records(part, limits, page_of)


def read_records(part: Part, limits: Limits, interpret: Interpreter) -> Iterator[Record]:
    """Walk the part member by member; what does not inflate is quarantined up to the next sound member."""
    with open_window(part.path) as window:
        gzipped = part.path.partition("?")[0].endswith(".gz") or is_member(window, 0)
        end = window.size if part.end is None else part.end
        offset = next_sound_member(window, part.start) if part.start else 0
        while offset < window.size and (offset < end or not begins_record(window, offset)):
            try:
                stream = _stream_at(window, offset, gzipped, limits)
                for record in _records_of(stream, limits, interpret):
                    yield record
                    offset = record.offset + record.length
                if offset < stream.end:
                    yield Record(offset, stream.end - offset, reason="warc.empty_member")
                    offset = stream.end
            except Unreadable as error:
                sound = next_sound_member(window, offset + 1) if gzipped else window.size
                # A member that is broken off is only the end of the file if nothing sound follows.
                reason = "warc.bad_gzip" if error.reason == "warc.cut" and sound < window.size else error.reason
                yield Record(offset, sound - offset, reason=reason, quarantined=True, detail=error.detail)
                offset = sound


def _stream_at(window: Window, offset: int, gzipped: bool, limits: Limits) -> MemberStream | PlainStream:
    if not gzipped:
        return PlainStream(window, offset, window.size)
    if is_member(window, offset):
        return MemberStream(window, offset, limits.max_record_bytes)
    # An uncompressed record among members ends at the next sound one at the latest, where another part may begin.
    if window.at(offset, 5) == b"WARC/":
        return PlainStream(window, offset, next_sound_member(window, offset), among_members=True)
    raise Unreadable("warc.garbage", "bytes that are neither a gzip member nor a record")


def _records_of(stream: Stream, limits: Limits, interpret: Interpreter) -> Iterator[Record]:
    nth = 0
    offset = stream.position(0)
    stream.skip_line_ends()
    while stream.goes_on():
        record = _next_record(stream, limits, interpret)
        nth += 1
        record.offset, offset = offset, stream.position(nth)
        record.length = offset - record.offset
        yield record


def _next_record(stream: Stream, limits: Limits, interpret: Interpreter) -> Record:
    if not stream.starts(b"WARC/"):
        return _broken(stream, "warc.bad_record", "no WARC version line")
    head = stream.take_head(limits.max_header_bytes)
    if head is None:
        detail = f"WARC head of more than {limits.max_header_bytes:,} bytes, or cut"
        return _broken(stream, "warc.header_too_long", detail)
    fields = http.parse_fields(head)
    declared = fields.get(b"content-length", b"")
    if not declared.isdigit() or len(declared) > 18:
        detail = f"Content-Length is {declared[:40].decode('ascii', 'replace') or 'missing'}"
        return _broken(stream, "warc.bad_length", detail)
    length = int(declared)
    kept = min(length, limits.max_page_bytes + limits.max_header_bytes)
    held = stream.can_hold(length) and stream.fill(kept, in_record=True)
    if not held or (kept == length and not stream.record_ends_after(length)):
        return _broken(stream, "warc.bad_length", f"Content-Length is {length:,}, and no record ends there")
    block = stream.take(kept)
    if not stream.skip(length - kept):
        return _broken(stream, "warc.bad_length", f"Content-Length is {length:,}, and the record ends before")
    stream.skip_line_ends()
    return interpret(fields, block, kept == length, limits)


def _broken(stream: Stream, reason: str, detail: str) -> Record:
    stream.skip_to_next_record()
    return Record(0, 0, reason=reason, quarantined=True, detail=detail)


def page_of(fields: dict[bytes, bytes], block: bytes, whole: bool, limits: Limits) -> Record:
    """A page, if the record is an HTTP response that holds one; else a Record with the reason why not."""
    kind = fields.get(b"warc-type", b"").lower()
    if kind in (b"request", b"metadata", b"warcinfo"):
        return Record(0, 0, reason=f"record_type.{kind.decode()}")
    record = addressed_record(fields)
    if record.reason:
        return record
    if kind != b"response":
        record.reason = f"record_type.{kind.decode() if kind in KNOWN_TYPES else 'other'}"
    elif b"warc-segment-number" in fields:
        record.reason = "record_type.segment"
    else:
        http.read_response(record, block, whole, limits)
    return record


def addressed_record(fields: dict[bytes, bytes]) -> Record:
    """A Record with URL and date of a WARC head; with a reason if it has no type or no web address."""
    if not fields.get(b"warc-type"):
        return Record(0, 0, reason="warc.bad_record", quarantined=True, detail="WARC-Type is missing")
    target = fields.get(b"warc-target-uri")
    if target is None:
        return Record(0, 0, reason="warc.bad_record", quarantined=True, detail="WARC-Target-URI is missing")
    date = fields.get(b"warc-date", b"").decode("ascii", "replace")
    record = Record(0, 0, date=date if ISO_DATE.fullmatch(date) else "")
    url = clean_url(target.decode("utf-8", "replace"))
    if url is not None:
        record.url = url
    elif OTHER_PROTOCOL.match(target):
        record.reason = "record_type.not_http"
    else:
        record.reason = "url.invalid"
        record.detail = without_login(target.decode("utf-8", "replace"))[:80]
    return record
