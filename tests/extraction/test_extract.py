from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import trafilatura

from pipeline.errors import UserError
from pipeline.extraction import Extractor, extract_text, make_extractor
from pipeline.schema import Record

PARAGRAPH = "The village by the river has a mill that still turns, and people come from far away to see it work."
ARTICLE = (
    "<!DOCTYPE html><html lang='en'><head><title>The mill</title></head><body><nav><a href='/'>Home</a></nav>"
    + "".join(f"<p>{number}. {PARAGRAPH}</p>" for number in range(8))
    + "</body></html>"
)


@pytest.fixture(scope="module", params=["learned", "trafilatura", "resiliparse"])
def extractor(request: pytest.FixtureRequest) -> Iterator[Extractor]:
    if request.param == "resiliparse":
        pytest.importorskip("resiliparse", reason="resiliparse is not installed: make bench-install")
    made = make_extractor(request.param, timeout_s=20, max_page_bytes=3_000_000)
    yield made
    made.close()


def test_the_reference_backend_is_trafilatura_without_comments() -> None:
    reference = make_extractor("trafilatura")
    text = reference.extract(ARTICLE.encode(), "https://example.org/mill").text
    reference.close()
    assert text == trafilatura.extract(ARTICLE, url="https://example.org/mill", include_comments=False)


def test_what_a_page_tells_of_itself(extractor: Extractor) -> None:
    """Would catch facts or a title that depend on the backend."""
    page = extractor.extract(ARTICLE.encode(), "https://example.org/mill")
    assert (page.title, page.charset, page.reason) == ("The mill", "utf-8", None)
    assert page.facts["n_paragraphs"] == 8
    assert 0 < float(page.facts["link_density"]) < 0.1
    assert PARAGRAPH in page.text


def test_output_does_not_depend_on_the_pages_before(extractor: Extractor) -> None:
    """Would catch a cache over pages, such as the one that trafilatura's deduplication keeps."""
    first = extractor.extract(ARTICLE.encode())
    for _ in range(3):
        assert extractor.extract(ARTICLE.encode()) == first


def test_an_xml_declaration_does_not_decide_the_charset_again(extractor: Extractor) -> None:
    """Would catch mojibake from a parser that believes the declaration over the text it is given."""
    chinese = "这是一个关于天气的故事，我们在城市里住了很多年，后来大家都去了南方。" * 10
    html = f'<?xml version="1.0" encoding="gb2312"?><html><body><p>{chinese}</p></body></html>'
    for codec in ("gb2312", "utf-8"):
        assert chinese in extractor.extract(html.encode(codec)).text


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        (b"", "extract.empty"),
        (b" \n \t", "extract.empty"),
        (b"<html><body><script>var a = 1</script></body></html>", "extract.empty"),
        (b"<p>" + b"x" * 3_000_000, "extract.too_large"),
        (b"<div>" * 100_000, "extract.too_deep"),
        (b"<b><i><font>" * 50_000, "extract.too_deep"),
        (b"<p>x" * 200_000, "extract.too_many_tags"),
        (b"<p " + b"".join(b"a%d=1 " % number for number in range(200_000)) + b">x", "extract.too_many_attributes"),
        (b"%PDF-1.4 <p>x</p>", "extract.not_html"),
        (b'{"a": 1}', "extract.not_html"),
        (b'<?xml version="1.0"?><rss><channel><title>news</title></channel></rss>', "extract.not_html"),
    ],
)
def test_pages_without_text_or_past_a_limit_name_the_reason(extractor: Extractor, html: bytes, reason: str) -> None:
    page = extractor.extract(html)
    assert (page.reason, page.text, page.quarantined) == (reason, "", False)


def test_controls_and_surrogates_of_a_page_do_not_reach_the_text(extractor: Extractor) -> None:
    marks = "".join(map(chr, range(32))) + "\x7f\x85\u200b\u202e\ufeff"
    html = ARTICLE.replace("mill that", f"mi{marks}ll&#1;&#xd800;&#x200b; that").encode()
    text = extractor.extract(html).text
    assert "turns" in text
    assert not any((ord(char) < 32 and char != "\n") or char in "\x7f\x85\u200b\u202e\ufeff" for char in text)
    text.encode("utf-8")


def test_a_timeout_quarantines_the_page_and_the_next_goes_on() -> None:
    extractor = make_extractor("trafilatura", timeout_s=2, max_tags=10_000_000)
    try:
        extractor.extract(ARTICLE.encode())  # imports are not on the clock of the page below
        slow = b"<html><body>" + b"<p>some words <i>in</i> it, and more <b>words</b></p>" * 90_000
        page = extractor.extract(slow)
        assert (page.reason, page.quarantined) == ("extract.timeout", True)
        assert extractor.extract(ARTICLE.encode()).reason is None
    finally:
        extractor.close()


def test_an_entity_bomb_and_external_entities_are_not_expanded(extractor: Extractor) -> None:
    bomb = "<!DOCTYPE html [<!ENTITY a 'words '><!ENTITY b '&a;&a;&a;'><!ENTITY f SYSTEM 'file:///etc/hostname'>]>"
    text = extractor.extract((bomb + ARTICLE.replace("mill that", "mill &b; &f; that")).encode()).text
    assert "words words" not in text
    assert "turns" in text


def test_records_that_are_text_already_are_only_cleaned(extractor: Extractor) -> None:
    record = Record(offset=0, length=1, text="A\u200b line\r\nof text")
    assert extractor.page(record).text == "A line\nof text"
    assert extractor.page(Record(offset=0, length=1, text=" ")).reason == "extract.empty"
    assert extractor.page(Record(offset=0, length=1, body=ARTICLE.encode())).title == "The mill"


def test_an_unknown_extractor_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"magic.*trafilatura"):
        make_extractor("magic")


def test_comments_are_kept_on_request() -> None:
    comments = "".join(
        f'<li class="comment"><p>I remember number {n} of the mills very well indeed.</p></li>' for n in range(9)
    )
    html = ARTICLE.replace(
        "</body>", f'<div id="comments"><ol class="commentlist">{comments}</ol></div></body>'
    ).encode()
    for name in ("learned", "trafilatura"):
        extractor = make_extractor(name, comments=True)
        assert "I remember number 3" in extractor.extract(html).text
        extractor.close()


def test_the_library_logs_nothing_into_the_parent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        extract_text(b"<html><body></body></html>")
    assert not [record for record in caplog.records if record.name.startswith("trafilatura")]
