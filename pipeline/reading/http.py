"""The HTTP response inside a WARC record: head, transfer and content codings, and whether its body is an HTML page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
from isal import isal_zlib

from pipeline.reading.parts import Limits
from pipeline.reading.streams import BLANK_LINE, InflateError
from pipeline.schema import Record

STATUS_LINE = re.compile(rb"(?:HTTP/\d+(?:\.\d+)?|ICY)[ \t]+(\d{3})?")
CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([^\s\"';,]+)", re.IGNORECASE)
CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;[^\n]{0,1000})?\r?\n")
INFLATE_STEP = 64 << 10
MAX_CODINGS = 3  # a server that says more than this is lying or hostile

HTML_TYPES = ("text/html", "application/xhtml+xml")
UNKNOWN_TYPES = ("", "unknown/unknown", "application/unknown", "*/*")  # WHATWG MIME Sniffing, section 7
# Markup that HTML begins with (same standard, section 7.1), after white space and an XML declaration.
HTML_START = re.compile(
    rb"(?>\s+|<\?xml[^>]*>)*+"
    rb"<(?:!--|(?:!doctype\s+html|html|head|body|meta|link|title|script|style|iframe|h1|div|font|table|a|br?|p)[\s>/])",
    re.IGNORECASE,
)
FEED_START = re.compile(rb"(?>\s+|<!--.*?-->|<[?!][^>]*>)*+<(?:rss|feed|rdf:RDF)[\s>]", re.DOTALL)
SNIFFED = 2048  # bytes looked at
BINARY_STARTS = {
    b"%PDF-": "PDF",
    b"\x89PNG\r\n": "PNG",
    b"GIF8": "GIF",
    b"\xff\xd8\xff": "JPEG",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b\x08": "gzip",
    b"RIFF": "RIFF",
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7-Zip",
    b"\x00\x00\x01\x00": "icon",
    b"OggS": "Ogg",
    b"ID3": "MP3",
    b"\x7fELF": "ELF",
    b"wOF": "font",
    b"\xd0\xcf\x11\xe0": "Office",
}


class CodingError(Exception):
    """A body that is not in the coding that its head tells."""


class TooLarge(Exception):
    """A body that decodes to more bytes than a page may have."""


def parse_fields(head: bytes) -> dict[bytes, bytes]:
    """Header fields under their lower-case names. Of equal names the first counts; folded lines are joined."""
    if b"\n " in head or b"\n\t" in head:
        head = re.sub(rb"\r?\n[ \t]+", b" ", head)
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def read_response(record: Record, block: bytes, whole: bool, limits: Limits) -> None:
    """Fill the record from a response: status, type, charset and body, or the reason why it is no page.

    ``whole`` is False where the block was too long to be held: only its beginning is there.
    """
    status_line = STATUS_LINE.match(block)
    head_end = BLANK_LINE.search(block, 0, limits.max_header_bytes) if status_line else None
    if status_line is None or head_end is None:
        record.reason = (
            "http.header_too_long" if status_line and len(block) > limits.max_header_bytes else "http.no_head"
        )
        return
    if not status_line[1]:
        record.reason = "http.bad_status"
        return
    record.status = int(status_line[1])
    fields = parse_fields(block[: head_end.start()])
    media_type = fields.get(b"content-type", b"")
    record.content_type = media_type.partition(b";")[0].strip().lower().decode("ascii", "replace")
    if charset := CHARSET.search(media_type):
        record.charset = charset[1].decode("ascii", "replace").lower()
    if record.status != 200:
        record.reason, record.detail = "http.status", str(record.status)
    elif record.content_type not in HTML_TYPES and record.content_type not in UNKNOWN_TYPES:
        record.reason, record.detail = "http.not_html", record.content_type
    elif not whole:
        record.reason, record.detail = "http.too_large", f"more than {limits.max_page_bytes:,} bytes"
    else:
        _read_body(record, block[head_end.end() :], fields, limits.max_page_bytes)


def _read_body(record: Record, body: bytes, fields: dict[bytes, bytes], limit: int) -> None:
    coding = fields.get(b"content-encoding", b"").decode("ascii", "replace").lower()
    try:
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            body = unchunk(body)
        if coding:
            body = decode_content(body, coding, limit)
        if len(body) > limit:
            raise TooLarge
    except CodingError as error:
        record.reason, record.detail = "http.coding", str(error)
    except TooLarge:
        record.reason, record.detail = "http.too_large", f"more than {limit:,} bytes"
    else:
        record.reason, record.detail = _judge_body(body, record.content_type)
        if record.reason is None:
            record.body = body


def _judge_body(body: bytes, content_type: str) -> tuple[str | None, str]:
    """Why the body is no HTML page (reason and detail); no reason if it is one."""
    if not body.strip(b" \t\r\n\0"):
        return "http.empty", ""
    for start, name in BINARY_STARTS.items():
        if body.startswith(start):
            return "http.not_html", f"{name} that says {content_type or 'nothing'}"
    # Without byte order marks and the zeros of UTF-16 the markup reads as ASCII in every charset of the web.
    start = body[:SNIFFED].removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    start = start.replace(b"\0", b"")
    if FEED_START.match(start):
        return "http.not_html", f"feed that says {content_type or 'nothing'}"
    if content_type in UNKNOWN_TYPES and not HTML_START.match(start):
        return "http.not_html", "no type, and does not begin as HTML"
    return None, ""


def unchunk(body: bytes) -> bytes:
    """Undo the chunked transfer coding (RFC 9112, section 7.1), keeping what is there of one that is cut or broken.

    A body that does not begin with a chunk is taken as it is: many crawlers undo the coding and keep the field.
    """
    size_line = CHUNK_SIZE.match(body)
    if size_line is None:
        return body
    chunks = []
    while size_line and (size := int(size_line[1], 16)):
        chunks.append(body[size_line.end() : size_line.end() + size])
        begin = size_line.end() + len(chunks[-1])
        begin += 2 if body.startswith(b"\r\n", begin) else body.startswith(b"\n", begin)
        size_line = CHUNK_SIZE.match(body, begin)
    return b"".join(chunks)


def decode_content(body: bytes, codings: str, limit: int) -> bytes:
    """Undo the content codings (RFC 9110, section 8.4), the last one first.

    A body that is HTML as it stands is kept where its coding is a lie or unknown. Raises TooLarge where more than
    ``limit`` bytes come out, and CodingError.
    """
    names = [name for name in (coding.strip() for coding in codings.split(",")) if name not in ("", "identity")]
    if len(names) > MAX_CODINGS:
        raise CodingError(f"{len(names)} codings on top of each other")
    for name in reversed(names):
        try:
            if name not in DECODERS:
                raise CodingError(f"unknown coding {name[:40]}")
            body = DECODERS[name](body, limit)
        except CodingError:
            if not HTML_START.match(body[:SNIFFED]):
                raise
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    """Every gzip member of the body; what follows the last one is no part of it."""
    decoded = bytearray()
    begin = 0
    while body.startswith(b"\x1f\x8b", begin):
        begin = _inflate(body, begin, 31, limit, decoded)
    if begin == 0:
        raise CodingError("says gzip, is not")
    return bytes(decoded)


def _undeflate(body: bytes, limit: int) -> bytes:
    """``deflate`` is a zlib stream by the standard and a raw one of many servers."""
    decoded = bytearray()
    is_zlib = len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    _inflate(body, 0, 15 if is_zlib else -15, limit, decoded)
    return bytes(decoded)


def _inflate(body: bytes, begin: int, window_bits: int, limit: int, decoded: bytearray) -> int:
    """Append the stream at ``begin`` to ``decoded``, as far as it goes if it is cut; give where it ends."""
    inflater = isal_zlib.decompressobj(window_bits)
    try:
        while begin < len(body) and not inflater.eof:
            fed = body[begin : begin + INFLATE_STEP]
            piece = inflater.decompress(fed, limit + 1 - len(decoded))  # one byte over the limit is enough to know
            consumed = len(fed) - len(inflater.unused_data or inflater.unconsumed_tail)
            decoded += piece
            if len(decoded) > limit:
                raise TooLarge
            if not piece and not consumed:
                raise CodingError("does not inflate: no progress")
            begin += consumed
    except InflateError as error:
        raise CodingError(f"does not inflate: {error}") from error
    return begin


def _decompress_with_arrow(coding: str) -> Callable[[bytes, int], bytes]:
    def decompress(body: bytes, limit: int) -> bytes:
        try:
            decoded = pa.CompressedInputStream(pa.BufferReader(body), coding).read(limit + 1)
        except OSError as error:
            raise CodingError(f"is no {coding}: {error}") from error
        if len(decoded) > limit:
            raise TooLarge
        return decoded

    return decompress


DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "br": _decompress_with_arrow("brotli"),
    "zstd": _decompress_with_arrow("zstd"),
}
