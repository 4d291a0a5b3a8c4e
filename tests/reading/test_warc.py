"""WARC reading on files made here: whole or corrupted, in one part or many."""

from __future__ import annotations

import gzip
import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.reading import Limits, Part, inputs, read, split
from pipeline.schema import Record

LIMITS = Limits()
NOISE = random.Random(0).randbytes(300)
HTTP_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"


def record(
    block: bytes, kind: str = "response", url: str = "http://a.example/", length: int | None = None, version="1.0"
):
    head = (
        f"WARC/{version}\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-05-22T12:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:1>\r\nContent-Length: {len(block) if length is None else length}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def page(number: int, body: bytes = b"") -> bytes:
    return record(HTTP_HEAD + b"<p>%d</p>" % number + body, url=f"http://a.example/{number}")


def read_bytes(stored: bytes, path: Path, limits: Limits = LIMITS) -> list[Record]:
    path.write_bytes(stored)
    records = list(read(Part(str(path)), limits))
    assert_tiled(records, len(stored))
    return records


def assert_tiled(records: list[Record], size: int) -> None:
    """Every byte lies in exactly one record."""
    edges = [0, *itertools.accumulate(record.length for record in records)]
    assert [record.offset for record in records] == edges[:-1]
    assert edges[-1] == size


def pages(records: list[Record]) -> list[str]:
    return [record.url.rsplit("/")[-1] for record in records if record.reason is None]


def reasons(records: list[Record]) -> list[str | None]:
    return [record.reason for record in records]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warc")


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=3000), max_size=6),
    gzipped=st.booleans(),
    version=st.sampled_from(["1.0", "1.1"]),
)
def test_any_body_comes_back_unchanged(bodies: list[bytes], gzipped: bool, version: str, folder: Path) -> None:
    """Catches bodies being cut or moved where they hold line ends, WARC heads or gzip magic."""
    records = [record(HTTP_HEAD + b"<html>" + body, version=version) for body in bodies]
    stored = b"".join(gzip.compress(r) if gzipped else r for r in records)
    found = read_bytes(stored, folder / ("any.warc.gz" if gzipped else "any.warc"))
    assert [r.body for r in found] == [b"<html>" + body for body in bodies]
    assert reasons(found) == [None] * len(bodies)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_corruption_costs_only_the_members_it_touches(data: st.DataObject, folder: Path) -> None:
    """Catches losing, doubling or crashing on what stands beside a damaged stretch of the file."""
    members = [gzip.compress(page(n, NOISE[:300] + b"<p>text</p>" * 40), 6, mtime=0) for n in range(6)]
    stored = bytearray(b"".join(members))
    starts = [0, *itertools.accumulate(map(len, members))]
    begin = data.draw(st.integers(0, len(stored) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=600))[: len(stored) - begin]
    stored[begin : begin + len(damage)] = damage
    untouched = [str(n) for n in range(6) if starts[n + 1] <= begin or starts[n] >= begin + len(damage)]
    found = pages(read_bytes(bytes(stored), folder / "damaged.warc.gz"))
    assert [n for n in found if n in untouched] == untouched
    assert len(found) == len(set(found))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_random_bytes_never_raise(data: st.DataObject, folder: Path) -> None:
    """Catches exceptions that no one has thought of, in both kinds of file."""
    pieces = st.one_of(
        st.binary(max_size=200),
        st.sampled_from(
            [b"WARC/1.0\r\n", b"Content-Length: 30\r\n", b"\r\n\r\n", b"\x1f\x8b\x08\x00", b"WARC-Type: response\r\n"]
        ),
        st.sampled_from([page(1), gzip.compress(page(2)), gzip.compress(b""), gzip.compress(page(3))[:-9]]),
    )
    stored = b"".join(data.draw(st.lists(pieces, max_size=12)))
    read_bytes(stored, folder / "random.warc.gz")
    read_bytes(stored, folder / "random.warc")


def messy_file() -> bytes:
    """Every kind of trouble that a cut may fall into."""
    return b"".join(
        [
            gzip.compress(page(0)),
            gzip.compress(page(1) + page(2)),
            NOISE[:150],
            gzip.compress(page(3))[:120],
            gzip.compress(page(4)),
            gzip.compress(page(5)[:200]),
            gzip.compress(page(5)[200:]),
            page(6),
            gzip.compress(b"HELLO\r\n\r\n"),
            gzip.compress(b""),
            gzip.compress(page(7)),
            gzip.compress(record(HTTP_HEAD, length=10**15)),
            gzip.compress(page(8)),
            gzip.compress(page(9))[:-20],
        ]
    )


@settings(max_examples=80, deadline=None)
@given(cuts=st.lists(st.integers(0, 3200), max_size=6))
def test_parts_together_give_every_record_once(cuts: list[int], folder: Path) -> None:
    """Catches records lost or doubled at the edges of parts, wherever the edges fall."""
    path = folder / "messy.warc.gz"
    if not path.exists():
        path.write_bytes(messy_file())
    whole = list(read(Part(str(path))))
    assert pages(whole) == ["0", "1", "2", "4", "5", "6", "7", "8"]
    assert read_in_parts(str(path), cuts) == whole


def read_in_parts(path: str, cuts: list[int], limits: Limits = LIMITS) -> list[Record]:
    edges = [0, *sorted(cuts)]
    parts = [Part(path, start, end) for start, end in zip(edges, [*edges[1:], None], strict=True)]
    return [record for part in parts for record in read(part, limits)]


def test_split_cuts_large_gzipped_files_only(folder: Path) -> None:
    """Catches parts that leave out the end of the file, and cuts in files that cannot be cut."""
    for name in ("split.warc.gz", "split.warc"):
        (folder / name).write_bytes(messy_file())
    parts = split(str(folder / "split.warc.gz"), 700)
    assert len(parts) > 2
    assert parts[0].start == 0
    assert parts[-1].end is None
    assert [p.end for p in parts[:-1]] == [p.start for p in parts[1:]]
    assert split(str(folder / "split.warc.gz"), 1 << 30) == [Part(str(folder / "split.warc.gz"), 0, None)]
    assert split(str(folder / "split.warc"), 700) == [Part(str(folder / "split.warc"), 0, None)]


def test_a_record_is_found_again_by_its_offset(folder: Path) -> None:
    """Catches offsets that do not lead back to the record, which explain needs."""
    (folder / "again.warc.gz").write_bytes(b"".join(gzip.compress(page(n)) for n in range(5)))
    for found in read(Part(str(folder / "again.warc.gz"))):
        assert [found] == list(read(Part(str(folder / "again.warc.gz"), found.offset, found.offset + 1)))


@pytest.mark.parametrize(
    "damaged",
    [
        record(HTTP_HEAD + b"<p>x</p>", length=5),
        record(HTTP_HEAD + b"<p>x</p>", length=100_000),
        record(HTTP_HEAD + b"<p>x</p>", length=10**12),
        record(HTTP_HEAD + b"<p>x</p>").replace(b"Content-Length", b"Content-Width"),
        record(HTTP_HEAD + b"<p>x</p>", length=10**25),
    ],
)
@pytest.mark.parametrize("name", ["plain.warc", "single-member.warc.gz"])
def test_wrong_length_costs_one_record_where_many_share_a_stream(damaged: bytes, name: str, folder: Path) -> None:
    """Catches a wrong Content-Length that swallows the records after it."""
    stored = page(1) + damaged + page(2) + page(3)
    found = read_bytes(gzip.compress(stored) if name.endswith("gz") else stored, folder / name)
    assert pages(found) == ["1", "2", "3"]
    assert found[1].quarantined and found[1].reason == "warc.bad_length"


def test_memory_does_not_follow_what_a_file_expands_to(folder: Path) -> None:
    """Catches a bomb of 300 MB in one member being held, and the records around it being lost."""
    import tracemalloc

    bomb = record(HTTP_HEAD + b"<p>" + bytes(300_000_000))
    stored = gzip.compress(page(1)) + gzip.compress(bomb, 1) + gzip.compress(page(2)) + gzip.compress(bomb[600:], 1)
    del bomb
    tracemalloc.start()
    found = read_bytes(stored + gzip.compress(page(3)), folder / "bomb.warc.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pages(found) == ["1", "2", "3"]
    assert found[1].reason == "http.too_large"
    assert peak < 5 * LIMITS.max_page_bytes


def test_a_cut_record_before_many_members_that_begin_none(folder: Path) -> None:
    """Catches a depth of calls that grows with the number of members which a record may go on in."""
    stored = gzip.compress(page(1)[:200]) + gzip.compress(b"") * 3000 + gzip.compress(page(2))
    assert pages(read_bytes(stored, folder / "chain.warc.gz")) == ["2"]


def test_an_endless_record_is_given_up(folder: Path) -> None:
    """Catches inflating without end for the sake of one record."""
    small = Limits(max_page_bytes=1000, max_record_bytes=2_000_000)
    stored = gzip.compress(record(HTTP_HEAD + bytes(8_000_000))) + gzip.compress(page(2))
    found = read_bytes(stored, folder / "endless.warc.gz", small)
    assert reasons(found) == ["warc.record_too_large", None]


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_members_that_end_with_an_output_step(size: int, folder: Path) -> None:
    """Catches output that stays in the inflater when all input has been taken."""
    body = bytes(size - len(record(HTTP_HEAD)) - 2)
    found = read_bytes(gzip.compress(record(HTTP_HEAD + b"<p>" + body)), folder / "step.warc.gz")
    assert reasons(found) == [None]
    assert len(found[0].body) == len(body) + 3


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("warcinfo", "record_type.warcinfo"),
        ("request", "record_type.request"),
        ("revisit", "record_type.revisit"),
        ("conversion", "record_type.conversion"),
        ("banana", "record_type.other"),
    ],
)
def test_other_record_types_are_named(kind: str, reason: str, folder: Path) -> None:
    """Catches records that are passed over without being counted, or under the wrong name."""
    assert reasons(read_bytes(gzip.compress(record(HTTP_HEAD, kind)), folder / "kinds.warc.gz")) == [reason]


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("<http://a.example/x>", "http://a.example/x"),
        ("http://user:secret@a.example:8080/x", "http://a.example:8080/x"),
        ("http://user@evil:secret@a.example/x", "http://a.example/x"),
        ("http://a.example/x?mail=u:p@b.example", "http://a.example/x?mail=u:p@b.example"),
        ("http://[2001:db8::1]/x", "http://[2001:db8::1]/x"),
        ("http://a.example/a\tb", "http://a.example/a%09b"),
        ("http://中国.example/页", "http://中国.example/页"),
        ("http://user:secret@a.example:99999999/x", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("/path", None),
        ("", None),
        ("http://", None),
        ("http://a.example:" + "9" * 5000, None),
    ],
)
def test_urls(url: str, written: str | None, folder: Path) -> None:
    """Catches passwords that are written on, and addresses that are none."""
    (found,) = read_bytes(gzip.compress(record(HTTP_HEAD + b"<p>", url=url)), folder / "urls.warc.gz")
    assert (found.url or None, found.reason) == (written, None if written else "url.invalid")
    assert "secret" not in found.detail


def test_wet_gives_text(folder: Path) -> None:
    """Catches conversions read as pages, or passed over in the one format that is made of them."""
    stored = gzip.compress(record(b"", "warcinfo")) + gzip.compress(record("中文 text".encode(), "conversion"))
    found = read_bytes(stored + gzip.compress(record(b" \n", "conversion")), folder / "x.warc.wet.gz")
    assert reasons(found) == ["record_type.warcinfo", None, "text.empty"]
    assert found[1].text == "中文 text"
    assert found[1].url == "http://a.example/"


SHARED = Path(__file__).parents[3] / "shared" / "crawl"
needs_hostile = pytest.mark.skipif(not (SHARED / "hostile.warc.gz").exists(), reason="the hostile crawl is not here")


@needs_hostile
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 761_847), max_size=4))
def test_parts_of_the_hostile_file(cuts: list[int]) -> None:
    """Catches cuts inside of garbage, bad members and split records that change what is found."""
    path = str(SHARED / "hostile.warc.gz")
    small = Limits(max_page_bytes=100_000, max_record_bytes=5_000_000)
    assert read_in_parts(path, cuts, small) == list(read(Part(path), small))


def test_inputs_expand_and_sort(folder: Path) -> None:
    """Catches an unsorted or doubled input list, on which every part number depends."""
    crawl = folder / "crawl"
    (crawl / "deep").mkdir(parents=True)
    names = ["b.warc.gz", "a.warc.gz", "deep/c.parquet", "deep/d.jsonl.zst", "README.md"]
    for name in names:
        (crawl / name).touch()
    expected = sorted(str(crawl / name) for name in names[:-1])
    assert inputs([str(crawl), f"{crawl}/*.warc.gz"]) == expected
    assert inputs([f"{crawl}/?.warc.gz"]) == [p for p in expected if p.endswith("warc.gz")]
