"""The hostile crawl, element by element, against what its table asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.reading import Part, read
from pipeline.schema import Record

HOSTILE = Path(__file__).parents[3] / "shared" / "crawl" / "hostile.warc.gz"
pytestmark = pytest.mark.skipif(not HOSTILE.exists(), reason="the hostile crawl is not here")

# Last part of the URL -> reason; what is not named here must come out as a page.
PASSED_OVER = {
    "resource.html": "record_type.resource",
    "conversion.html": "record_type.conversion",
    "unknown-type.html": "record_type.other",
    "empty-revisit.html": "record_type.revisit",
    "segment-1.html": "record_type.segment",
    "segment-2.html": "record_type.continuation",
    "empty-block.html": "http.no_head",
    "http-09.html": "http.no_head",
    "http-no-blank.html": "http.no_head",
    "http-status-word.html": "http.bad_status",
    "http-many-fields.html": "http.header_too_long",
    "http-long-field.html": "http.header_too_long",
    "http-404.html": "http.status",
    "http-301.html": "http.status",
    "http-999.html": "http.status",
    "bomb-gzip.html": "http.too_large",
    "bomb-twice.html": "http.too_large",
    "one-line-20mb.html": "http.too_large",
    "coding-br.html": "http.coding",
    "empty-body.html": "http.empty",
    "blank-body.html": "http.empty",
    "pdf-as-html.html": "http.not_html",
    "png-as-html.html": "http.not_html",
    "zip-as-html.html": "http.not_html",
    "gz-as-html.html": "http.not_html",
    "json.html": "http.not_html",
    "html-as-octets.html": "http.not_html",
}
WITHOUT_URL = [
    "record_type.warcinfo",
    "warc.bad_gzip",  # gzip-corrupt
    "warc.bad_gzip",  # gzip-bad-crc
    "warc.garbage",  # gzip-garbage
    "warc.garbage",  # gzip-zeros
    "warc.empty_member",
    *["warc.bad_length"] * 6,
    "warc.bad_record",  # no-warc-type
    "warc.bad_record",  # no-warc-target-uri
    "warc.bad_record",  # no-version
    "warc.header_too_long",  # many-warc-headers
    "record_type.not_http",  # dns
    "record_type.not_http",  # ftp
    "warc.header_too_long",  # url-long
    *["url.invalid"] * 8,
    "warc.cut",
]
MARKS = ["TWIN-1", "TWIN-2", "SPLIT", "PLAIN", "SAMEID-1", "SAMEID-2", "SAMEURL-1", "SAMEURL-2", "H2", "LF"]
KEPT_MARKS = [f"GOODTEXT-{mark}" for mark in [*(f"{n:02d}" for n in range(1, 29)), *MARKS, "CODING", "CHUNK", "ATTR"]]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(read(Part(str(HOSTILE))))


def test_every_byte_is_accounted_for(records: list[Record]) -> None:
    """Catches stretches of the file that are neither read nor quarantined."""
    position = 0
    for record in records:
        assert record.offset == position
        position += record.length
    assert position == HOSTILE.stat().st_size


def test_reasons(records: list[Record]) -> None:
    """Catches elements that are kept or passed over against the table, or under the wrong reason."""
    assert [record.reason for record in records if not record.url] == WITHOUT_URL
    for record in records:
        if record.url:
            assert record.reason == PASSED_OVER.get(record.url.rsplit("/")[-1]), record.url
        assert record.quarantined == (record.reason or "").startswith("warc.") or record.reason == "warc.empty_member"


@pytest.mark.parametrize("mark", KEPT_MARKS)
def test_sound_pages_come_out(records: list[Record], mark: str) -> None:
    """Catches the loss of a sound page that stands beside a broken one."""
    host = "good.example" if mark[-2:].isdigit() else ""
    assert sum(mark.encode() in record.body and host in record.url for record in records) == 1


def test_codings_are_undone(records: list[Record]) -> None:
    """Catches codings that are half undone: both members, both kinds of deflate, chunks that are cut or lie."""
    bodies = {record.url.rsplit("/")[-1]: record.body for record in records}
    for name in ("coding-lie", "coding-raw-deflate", "coding-members", "chunk-lie", "chunk-huge", "http-wrong-length"):
        assert bodies[f"{name}.html"].rstrip().endswith(b"</html>"), name
    for name in ("coding-cut", "chunk-cut", "chunk-bad"):
        assert bodies[f"{name}.html"].startswith(b"<!DOCTYPE html>"), name


def test_no_password_is_written(records: list[Record]) -> None:
    """Catches user:password of a URL in anything that is written on."""
    assert not any("secret" in record.url + record.detail for record in records)
