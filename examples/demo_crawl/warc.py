"""Writing a crawl file: WARC/1.0, a gzip member for every record, laid out as Common Crawl does.

A fetch becomes a `request`, a `response` (or `revisit`) and a `metadata` record. Damage is done on purpose:

    corrupt   40 bytes in the middle of the response's gzip member are overwritten
    garbage   1,000 bytes that are no gzip stand before the response
    length    the response's Content-Length is 200 too small
    cut       the response's gzip member ends half-way, and the file with it
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from fetches import Fetch

CRAWL_START = datetime(2024, 5, 18)
SECONDS_A_FETCH = 7
COMPRESSION_LEVEL = 6
UNCHANGED = "http://netpreserve.org/warc/1.0/revisit/identical-payload-digest"


def write_warc(path: Path, fetches: Sequence[Fetch]) -> None:
    """Write one crawl file. The same fetches give the same bytes, whatever the folder."""
    with path.open("wb") as file:
        file.write(gzip_member(warcinfo(path.name)))
        for place, fetch in enumerate(sorted(fetches, key=lambda fetch: fetch.damage == "cut")):
            date = CRAWL_START + timedelta(seconds=SECONDS_A_FETCH * place)
            file.write(gzip_member(request(fetch, date)))
            file.write(damaged(response(fetch, date), fetch.damage))
            if fetch.damage != "cut":
                file.write(gzip_member(metadata(fetch, date)))


def warcinfo(name: str) -> bytes:
    block = (
        "isPartOf: CRAWLMIX-DEMO\r\npublisher: crawlmix\r\nformat: WARC File Format 1.0\r\n"
        "description: pages written for the demo; nothing here was fetched from the web\r\n\r\n"
    )
    fields = {"WARC-Filename": name, "Content-Type": "application/warc-fields"}
    return record("warcinfo", name, CRAWL_START, fields, block.encode())


def request(fetch: Fetch, date: datetime) -> bytes:
    host, _, path = fetch.url.split("://", 1)[1].partition("/")
    block = f"GET /{path} HTTP/1.1\r\nUser-Agent: crawlmix-demo\r\nAccept-Encoding: gzip\r\nHost: {host}\r\n\r\n"
    fields = {"WARC-Target-URI": fetch.url, "Content-Type": "application/http; msgtype=request"}
    return record("request", fetch.url, date, fields, block.encode())


def response(fetch: Fetch, date: datetime) -> bytes:
    block = fetch.head if fetch.revisit else fetch.head + fetch.body
    fields = {
        "WARC-Target-URI": fetch.url,
        "WARC-Concurrent-To": record_id("request", fetch.url, date),
        "WARC-Payload-Digest": digest(fetch.body),
        "WARC-Block-Digest": digest(block),
        "WARC-Identified-Payload-Type": fetch.media_type,
        "Content-Type": "application/http; msgtype=response",
    }
    if fetch.revisit:
        fields["WARC-Profile"] = UNCHANGED
    kind = "revisit" if fetch.revisit else "response"
    return record(kind, fetch.url, date, fields, block, missing=200 if fetch.damage == "length" else 0)


def metadata(fetch: Fetch, date: datetime) -> bytes:
    block = f"fetchTimeMs: {50 + len(fetch.body) % 300}\r\n\r\n".encode()
    fields = {
        "WARC-Target-URI": fetch.url,
        "WARC-Concurrent-To": record_id("request", fetch.url, date),
        "Content-Type": "application/warc-fields",
    }
    return record("metadata", fetch.url, date, fields, block)


def record(kind: str, name: str, date: datetime, fields: dict[str, str], block: bytes, missing: int = 0) -> bytes:
    """One record; its Content-Length lacks `missing` bytes."""
    head = {
        "WARC-Type": kind,
        "WARC-Date": f"{date.isoformat()}Z",
        "WARC-Record-ID": record_id(kind, name, date),
        "Content-Length": str(len(block) - missing),
        **fields,
    }
    lines = ["WARC/1.0", *(f"{field}: {value}" for field, value in head.items()), "", ""]
    return "\r\n".join(lines).encode() + block + b"\r\n\r\n"


def record_id(kind: str, name: str, date: datetime) -> str:
    return f"<{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind} {date} {name}').urn}>"


def digest(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


def gzip_member(data: bytes) -> bytes:
    return gzip.compress(data, COMPRESSION_LEVEL, mtime=0)


def damaged(record: bytes, damage: str) -> bytes:
    """The record as a gzip member, with the damage that the module's docstring describes."""
    member = gzip_member(record)
    middle = len(member) // 2
    if damage == "corrupt":
        return member[: middle - 20] + b"\xaa" * 40 + member[middle + 20 :]
    if damage == "garbage":
        return hashlib.shake_128(b"garbage").digest(1_000) + member
    if damage == "cut":
        return member[:middle]
    return member
