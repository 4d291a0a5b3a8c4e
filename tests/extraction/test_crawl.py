"""On real pages: the development crawl beside the repository, where it is present."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.extraction import make_extractor
from pipeline.reading import Part, read

CRAWL = Path(__file__).resolve().parents[3] / "shared" / "crawl"

pytestmark = pytest.mark.skipif(not CRAWL.is_dir(), reason="the development crawl is not part of the repository")


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
