"""HTTP responses: heads, codings and what is taken for HTML."""

from __future__ import annotations

import contextlib
import gzip
import zlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reading import Limits
from pipeline.reading.http import CodingError, TooLarge, decode_content, parse_fields, read_response, unchunk
from pipeline.schema import Record

LIMIT = 1_000_000


def response(head: str, body: bytes, limits: Limits | None = None) -> Record:
    record = Record(0, 0)
    read_response(record, head.encode("latin-1") + b"\r\n\r\n" + body, True, limits or Limits())
    return record


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body)[2:-4]


def brotli(body: bytes) -> bytes:
    return pa.Codec("brotli").compress(body, asbytes=True)


def in_chunks(body: bytes, size: int) -> bytes:
    chunks = [body[begin : begin + size] for begin in range(0, len(body), size)]
    return b"".join(b"%x;ext=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("br", brotli),
        ("identity, gzip", gzip.compress),
        ("deflate, gzip", lambda body: gzip.compress(zlib.compress(body))),
    ],
)
def test_codings(coding: str, encode) -> None:
    """Catches a coding that is undone in the wrong order or not at all."""
    body = "<p>text 文</p>".encode() * 9000
    assert decode_content(encode(body), coding.lower(), LIMIT) == body
    with pytest.raises(TooLarge):
        decode_content(encode(body), coding.lower(), len(body) - 1)


@given(
    st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br", "nonsense"]), st.binary(max_size=300), st.booleans()
)
def test_any_bytes_under_any_coding(coding: str, body: bytes, begin_right: bool) -> None:
    """Catches exceptions other than the two that callers know, and bodies over the limit."""
    body = gzip.compress(b"<p>" * 50)[:30] + body if begin_right else body
    with contextlib.suppress(CodingError, TooLarge):
        assert len(decode_content(body, coding, LIMIT)) <= LIMIT


def test_lies_about_codings() -> None:
    """Catches losing pages of servers that name a coding and do not use it."""
    for coding in ("gzip", "deflate", "br", "utf-8"):
        assert decode_content(b"<!DOCTYPE html><p>x", coding, LIMIT) == b"<!DOCTYPE html><p>x"
    with pytest.raises(CodingError):
        decode_content(b"no markup", "gzip", LIMIT)
    with pytest.raises(CodingError):
        decode_content(b"<p>", "gzip,gzip,gzip,gzip", LIMIT)


@given(st.binary(min_size=1, max_size=400), st.integers(1, 100))
def test_chunks_are_joined(body: bytes, size: int) -> None:
    """Catches chunks that are cut at line ends of their own."""
    assert unchunk(in_chunks(body, size)) == body


def test_broken_chunks_keep_what_is_there() -> None:
    """Catches reserving memory for a declared size, and losing what came before the break."""
    assert unchunk(b"ffffffffffffffff\r\nabc") == b"abc"
    assert unchunk(b"3\r\nabc\r\nzz\r\nrest") == b"abc"
    assert unchunk(b"3\r\nabc\r\n") == b"abc"
    assert unchunk(b"<html>no chunks</html>") == b"<html>no chunks</html>"


def test_fields() -> None:
    """Catches folded lines, names in either case, lines without colon and empty names that spoil the others."""
    head = (
        b"HTTP/1.1 200 OK\r\nX-Long: a\r\n\t b\r\nno colon\r\n: nameless\r\nCONTENT-TYPE: text/html\r\nContent-Type: x"
    )
    fields = parse_fields(head)
    assert fields[b"x-long"] == b"a b"
    assert fields[b"content-type"] == b"text/html"


@pytest.mark.parametrize(
    ("head", "body", "reason"),
    [
        ("HTTP/1.1 200 OK\nContent-Type: text/html", b"<p>x", None),
        ("HTTP/2 200\r\nContent-Type: TEXT/HTML; Charset='GBK'", b"<p>x", None),
        ("HTTP/1.1 200 OK", b"\xff\xfe<\0h\0t\0m\0l\0>\0", None),
        ("HTTP/1.1 200 OK", b"  <?xml version='1.0'?><!-- c --><html>", None),
        ("HTTP/1.1 200 OK", b"<abbr>x", "http.not_html"),
        ("HTTP/1.1 200 OK", b"plain words", "http.not_html"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html", b"plain words", None),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html",
            b"<?xml version='1.0'?><!-- x --><rss version='2.0'>",
            "http.not_html",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html", b"\x89PNG\r\n\x1a\n", "http.not_html"),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/json", b"<p>x", "http.not_html"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html", b" \r\n\0", "http.empty"),
        ("HTTP/1.1 404 Not Found\r\nContent-Type: text/html", b"<p>x", "http.status"),
        ("HTTP/1.1 OK\r\nContent-Type: text/html", b"<p>x", "http.bad_status"),
        ("<html>", b"<p>x", "http.no_head"),
    ],
)
def test_what_is_a_page(head: str, body: bytes, reason: str | None) -> None:
    """Catches pages that are passed over for their habits, and files that only say that they are HTML."""
    assert response(head, body).reason == reason


def test_charset_and_type_are_told() -> None:
    """Catches a charset in quotes or capitals that the decoder would not know."""
    record = response('HTTP/1.1 200 OK\r\nContent-Type: Text/HTML ; a=b; CharSet = "GBK"', b"<p>x")
    assert (record.content_type, record.charset, record.status, record.body) == ("text/html", "gbk", 200, b"<p>x")


def test_sniffing_takes_linear_time() -> None:
    """Catches a pattern that backtracks without end over comments (it would not come back within this run)."""
    for body in (b"<!---->" * 300, b"<!--" * 500, b"<?" * 1000 + b">", b" " * 2000, b"<?xml" * 400):
        response("HTTP/1.1 200 OK", body)
