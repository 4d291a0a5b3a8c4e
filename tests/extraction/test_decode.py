from __future__ import annotations

import codecs
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.extraction.decode import charset_of, clean, decode

CHINESE = "这是一个关于天气的故事，我们在城市里住了很多年，后来大家都去了南方。" * 4
TRADITIONAL = "這是一個關於天氣的故事，我們在城市裡住了很多年，後來大家都去了南方。" * 4
JAPANESE = "今日はとても天気がよいので、川のそばを歩いて図書館まで行きました。" * 4
KOREAN = "오늘은 날씨가 아주 좋아서 강가를 걸어 도서관까지 갔습니다. 그리고 책을 읽었다." * 4
RUSSIAN = "Сегодня очень хорошая погода, и мы пошли вдоль реки до самой библиотеки." * 4
GREEK = "Σήμερα ο καιρός είναι πολύ καλός και περπατήσαμε δίπλα στο ποτάμι." * 4
ARABIC = "كان الطقس جميلا جدا اليوم فمشينا على طول النهر حتى وصلنا إلى المكتبة العامة." * 4
FRENCH = "L’été dernier, nous étions à la plage, où le café coûtait très cher — hélas." * 4


def page(text: str, charset: str = "", claims: str = "") -> bytes:
    meta = f'<meta charset="{claims}">' if claims else ""
    return f"<html><head>{meta}<title>x</title></head><body><p>{text}</p></body></html>".encode(charset or "utf-8")


@pytest.mark.parametrize(
    ("text", "codec", "charset"),
    [
        (CHINESE, "gb2312", "gb18030"),
        (TRADITIONAL, "big5", "big5"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "euc_jp", "euc-jp"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        (KOREAN, "euc_kr", "euc-kr"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8_r", "koi8-r"),
        (RUSSIAN, "iso8859_5", "iso-8859-5"),
        (GREEK, "cp1253", "windows-1253"),
        (ARABIC, "cp1256", "windows-1256"),
        (ARABIC, "iso8859_6", "iso-8859-6"),
        (FRENCH, "cp1252", "windows-1252"),
    ],
)
@pytest.mark.parametrize("claims", ["", "utf-8", "iso-8859-1", "gbk", "x-klingon"])
def test_bytes_outvote_a_missing_or_lying_declaration(text: str, codec: str, charset: str, claims: str) -> None:
    """Would catch mojibake: text of one charset read in the one that the page happens to claim."""
    for decoded in (decode(page(text, codec, claims)), decode(page(text, codec), claims)):
        assert text in decoded.text
        assert decoded.charset == charset
        assert decoded.replaced == 0


@pytest.mark.parametrize("claims", ["gbk", "iso-8859-1", "big5", "utf-16", "rot13"])
def test_valid_utf8_stays_utf8_whatever_is_declared(claims: str) -> None:
    decoded = decode(page(CHINESE, "utf-8", claims), claims)
    assert (decoded.charset, decoded.replaced) == ("utf-8", 0)
    assert CHINESE in decoded.text


def test_a_declaration_decides_where_few_characters_tell_nothing() -> None:
    """Would catch a single accented letter being read as Cyrillic or Greek."""
    assert "Öl" in decode(page("Das Öl", "iso8859_15", "iso-8859-15")).text
    assert "пи" in decode(page("пи", "koi8_r", "koi8-r")).text
    assert decode(page("Öl", "cp1252")).charset == "windows-1252"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [CHINESE, FRENCH])
def test_wide_characters_are_seen_without_a_mark(codec: str, text: str) -> None:
    decoded = decode(page(text, codec), "utf-8")
    assert (decoded.charset, decoded.replaced) == (codec, 0)
    assert text in decoded.text


def test_byte_order_marks_decide_and_are_not_text() -> None:
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ):
        decoded = decode(mark + page(CHINESE, codec), "iso-8859-1")
        assert decoded.text.startswith("<html>")
        assert decoded.charset == codec


def test_a_page_cut_inside_a_character_is_still_utf8() -> None:
    html = page(CHINESE)
    decoded = decode(html[: html.index("天气".encode()) + 4])
    assert (decoded.charset, decoded.replaced) == ("utf-8", 1)
    assert "�" not in decoded.text


def test_a_few_bad_bytes_do_not_change_the_charset() -> None:
    html = page(CHINESE).replace("，".encode(), b"\xff", 2)
    decoded = decode(html, "gbk")
    assert (decoded.charset, decoded.replaced) == ("utf-8", 2)


def test_labels_mean_what_browsers_take_them_for() -> None:
    assert charset_of(" GB2312 ") == "gb18030"
    assert charset_of("'ISO-8859-1'") == "windows-1252"
    assert charset_of("ks_c_5601-1987") == "euc-kr"
    for label in ("rot13", "utf-7", "punycode", "idna", "base64", "unicode_escape", "cp037", "x-klingon", ""):
        assert charset_of(label) == "", label


def test_euro_and_quotes_of_windows_1252_are_read_in_pages_that_say_latin_1() -> None:
    assert "“costs 5 €”" in decode(page("“costs 5 €”" * 9, "cp1252", "iso-8859-1")).text


def test_nul_and_control_bytes_are_dropped_before_parsing() -> None:
    """Would catch a NUL that ends the page for a parser written in C."""
    assert decode(b"<p>a\0b\x01c\x0cd\te\n</p>").text == "<p>abc d\te\n</p>"


@given(st.binary(max_size=400), st.sampled_from(["", "utf-8", "gbk", "shift_jis", "utf-16", "iso-2022-jp", "rot13"]))
def test_any_bytes_give_valid_text(html: bytes, claims: str) -> None:
    decoded = decode(html, claims)
    decoded.text.encode("utf-8")
    assert not any(ord(char) < 32 and char not in "\t\n\r" for char in decoded.text)


@given(st.text())
def test_clean_text_is_nfc_utf8_without_controls_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\n" for char in cleaned)
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "text", ["e\u0301", "\u1112\u1161\u11ab", "\u09c7\u09be", "\u2126", "\uf900", "q\u0323\u0307\u0323"]
)
def test_clean_composes_whatever_nfc_does(text: str) -> None:
    """Would catch a character that the quick look takes for one that stands alone: a mark, a jamo, a vowel sign."""
    assert clean(text) == clean(f"天 é {text}")[4:] == unicodedata.normalize("NFC", text) != text


@pytest.mark.parametrize("control", [*range(9), 11, 12, *range(14, 32), 127])
def test_a_control_byte_is_found_wherever_it_stands(control: int) -> None:
    """Would catch a look for control bytes that ends too early, or leaves one of them out."""
    for place in (0, 1, 4095, 4096, 8191, 9999):
        html = bytearray(b"a" * 10_000)
        html[place] = control
        text = decode(bytes(html)).text
        assert text.count("a") == 9_999 and set(text) <= {"a", " "}


def test_clean_drops_invisible_marks_but_keeps_joiners_that_shape_letters() -> None:
    assert (
        clean("zero\u200bwidth \u202eright\u202c \ufeffmark soft\xadhyphen\r\nline\rline")
        == "zerowidth right mark softhyphen\nline\nline"
    )
    assert clean("a\u200db") == "ab"
    for kept in ("می\u200cخواهم", "क्\u200dष", "👩\u200d💻", "❤\ufe0f\u200d🔥"):
        assert clean(kept) == unicodedata.normalize("NFC", kept)
    assert clean("a\ud800b\U000e0041c") == "abc"
