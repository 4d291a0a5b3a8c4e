"""On real pages: the development crawl beside the repository, where it is present."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.extraction import make_extractor
from pipeline.extraction.decode import charset_of, decode
from pipeline.reading import Part, read
from pipeline.schema import Record

CRAWL = Path(__file__).resolve().parents[3] / "shared" / "crawl"

pytestmark = pytest.mark.skipif(not CRAWL.is_dir(), reason="the development crawl is not part of the repository")


@pytest.fixture(scope="module")
def pages() -> list[Record]:
    return [
        record for file in sorted(CRAWL.glob("dev-*.warc.gz")) for record in read(Part(str(file))) if not record.reason
    ]


@pytest.fixture(scope="module")
def legacy(pages: list[Record]) -> list[Record]:
    return [page for page in pages if not _is_utf8(page.body) and b"<" in page.body[:500]]


def _is_utf8(html: bytes) -> bool:
    try:
        html.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_pages_in_old_charsets_lose_no_character(legacy: list[Record]) -> None:
    """Would catch wrong codec tables: gb2312 without the characters of gbk, iso-8859-1 without its quotes."""
    own = [page for page in legacy if "chardet.github.io/tests/" not in page.url]
    assert len(own) > 400
    texts = [decode(page.body, page.charset).text for page in own]
    assert sum(len(re.findall("[\ufffd\x80-\x9f]", text)) for text in texts) <= 10
    assert sum(len(re.findall("[\ue000-\uf8ff]", text)) for text in texts) <= 10


def test_charsets_are_told_from_their_bytes(pages: list[Record]) -> None:
    """The test pages of a charset detector: their address names the charset, their HTTP head another."""
    told = wrong = 0
    for page in pages:
        match = re.search(
            r"chardet\.github\.io/tests/([\w-]+?)(?:-(?:russian|bulgarian|greek|hebrew|turkish|arabic))?/", page.url
        )
        charset = charset_of(match.group(1)) if match else ""
        if charset:
            told += 1
            wrong += decode(page.body, page.charset).charset not in _ALIKE.get(charset, {charset})
    assert told > 20
    assert wrong == 0


_ALIKE = {
    "utf-8": {"utf-8", "utf-16-le", "utf-16-be"},  # as a label, utf-16 means utf-8
    "windows-1252": {"windows-1252", "utf-8"},  # a page of ASCII
    "iso-8859-6": {"windows-1256"},  # letters and most of their places are the same
    "iso-8859-7": {"iso-8859-7", "windows-1253"},
    "windows-1254": {"windows-1254", "iso-8859-9"},
}


@pytest.fixture(scope="module", params=["learned", "trafilatura"])
def hostile(request: pytest.FixtureRequest) -> Iterator[dict[str, tuple[str, str | None, bool]]]:
    """Text, reason and quarantine of each page of the hostile file by its address."""
    extractor = make_extractor(request.param)
    answers = {}
    for record in read(Part(str(CRAWL / "hostile.warc.gz"))):
        if record.reason is None:
            page = extractor.page(record)
            answers[record.url.rsplit("/", 1)[-1]] = (page.text, page.reason, page.quarantined)
    yield answers
    extractor.close()


def test_no_hostile_page_reaches_the_time_limit_or_crashes(hostile: dict[str, tuple[str, str | None, bool]]) -> None:
    """Would catch a page that the counted limits let through to a parser that is quadratic in it."""
    assert len(hostile) > 80
    assert not [name for name, (_, _, quarantined) in hostile.items() if quarantined]


def test_sound_pages_between_hostile_ones_are_extracted(hostile: dict[str, tuple[str, str | None, bool]]) -> None:
    for number in range(1, 29):
        assert f"GOODTEXT-{number:02d}" in hostile[f"{number:02d}.html"][0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gbk-as-utf8", "天色渐渐暗了下来"),
        ("utf8-as-gbk", "天色渐渐暗了下来"),
        ("big5-silent", "天色漸漸暗了下來"),
        ("sjis-as-latin1", "今日はとても天気がよいので"),
        ("iso2022jp", "今日はとても天気がよいので"),
        ("utf16-bom", "UTF16"),
        ("utf16-lie", "UTF16LIE"),
        ("charset-rot13", "ROT13"),
        ("long-attribute", "GOODTEXT-ATTR"),
    ],
)
def test_hostile_charsets_give_no_mojibake(
    hostile: dict[str, tuple[str, str | None, bool]], name: str, says: str
) -> None:
    assert says in hostile[f"{name}.html"][0]


def test_no_control_character_comes_out_of_hostile_pages(hostile: dict[str, tuple[str, str | None, bool]]) -> None:
    for text, _, _ in hostile.values():
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\ufeff\ud800-\udfff]", text)
