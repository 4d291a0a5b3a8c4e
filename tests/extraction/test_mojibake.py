from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.extraction.mojibake import mojibake

TEXTS = {
    "English": "“It’s a café,” she said — the naïve guests don’t know the façade.",
    "French": "L’été dernier, nous étions à la plage, où le café coûtait très cher : voilà, Éliane, « hélas » !",
    "Portuguese": "NÃO É AMANHÃ: “IRMÃ” E «MAÇÃ», À MANHÃ… São Paulo, a maçã, a irmã’s, AMANHÃ\xa0– a ROMÃ—e a LÃ.",
    "German": "Ä-Dur, Ölfarbe, Übergröße; „SCHÖN“ und «ÄÄ», 5\xa0Å – 20 Å², Å—also Ångström, groß…",
    "Spanish": "«¿Él?», «¡Ñandú!», ESPAÑA, “JOSÉ”… ¿Ésta está»? El 3.º, la 2.ª",
    "Nordic": "HYVÄÄ PÄIVÄÄ”, jäääär, blåbær – “SMØRREBRØD” på Å, Þórður, ÉG Á”",
    "Polish": "Zażółć gęślą jaźń, „łódź”, żółw; Čeština „šťastný“ ďábel.",
    "Vietnamese": "Tiếng Việt: “Ấn Độ”, CÂ” CÁ… à – «đã».",
    "Russian": "СССР… «РЖД» – „Россия“: Ржев, Ёлка, С™ и ПН–ПТ, РІВНЕ, СІЧ, її",
    "Greek": "Σήμερα ο καιρός είναι πολύ καλός «και» – περπατήσαμε.",
    "Simplified Chinese": "这是一个关于天气的故事，我们在城市里住了很多年。恍惚间，涓涓细流，鑫鑫公司，李锟说。",
    "Traditional Chinese": "這是錄影，鎮壓與鈴聲；鍥而不捨的錢、鏡、鐘，夥伴，來個們。",
    "Japanese": "鉄板（中心）と浜松町、横浜市の飲み物を、録音した。カタカナ・ひらがな「鉄板が」。",
    "Korean": "오늘은 날씨가 아주 좋아서 강가를 걸어 도서관까지 갔습니다.",
    "letters": "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß [A-Za-zÀ-ÖØ-öø-ÿÑñáÁéÉ] À\xa0Á\xa0Â\xa0Ã\xa0Ä",
    "signs": "°±²³´µ¶·¸¹º»¼½¾¿ ¸.·´¯`·.¸ ····",
}


@pytest.mark.parametrize("language", TEXTS)
def test_right_text_holds_none(language: str) -> None:
    """Would catch capitals before quotation marks, rare ideographs and lists of letters taken for mojibake."""
    assert mojibake(TEXTS[language]) == 0


@pytest.mark.parametrize(
    ("text", "bytes_in", "read_as", "least"),
    [
        ("It’s – “so” … 20 €, 5 °C © 2020", "utf-8", "cp1252", 0.4),
        ("été, Éliane, ESPAÑA, Österreich, façade, señor, HÔTEL, für, voilà", "utf-8", "cp1252", 0.26),
        ("zażółć gęślą", "utf-8", "cp1252", 0.7),
        ("Việt Nam, ภาษาไทย, हिन्दी", "utf-8", "cp1252", 0.6),
        ("中文网站的文章内容，我们在城市里住了很多年", "utf-8", "cp1252", 0.9),
        ("今日はとても天気がよいので", "utf-8", "cp1252", 0.9),
        ("Привет, мир", "utf-8", "cp1252", 0.8),
        ("Сегодня очень хорошая погода", "utf-8", "cp1251", 0.8),
        ("中文网站的文章内容，我们在城市里住了很多年", "utf-8", "gbk", 0.75),
        ("中文网站的文章内容，我们在城市里住了很多年", "utf-8", "gb18030", 0.8),
        ("It’s", "utf-8", "gb18030", 0.5),
        ("这是一个关于天气的故事，我们在城市里住了很多年。", "gb2312", "latin-1", 0.9),
        ("\ufffd\ufffd\ufffd", "utf-8", "gbk", 0.5),
        ("\ufffd", "utf-8", "cp1252", 1),
        ("\ufffd", "utf-8", "cp1251", 1),
    ],
)
def test_texts_read_in_a_wrong_charset_are_seen(text: str, bytes_in: str, read_as: str, least: float) -> None:
    assert mojibake(text) == 0 or "\ufffd" in text
    garbled = text.encode(bytes_in).decode(read_as, "replace")
    assert mojibake(garbled) >= least


@pytest.mark.parametrize("garbled", ["â€™", "Ã©", "ÄãºÃ", "锟斤拷", "涓枃", "\ufffd"])
def test_a_sequence_alone_is_all_of_the_text(garbled: str) -> None:
    assert mojibake(garbled) == 1


def test_it_is_the_share_of_the_characters() -> None:
    """Would catch characters that are counted for two kinds, or not at all."""
    assert mojibake("cafÃ©" + 95 * "a") == 0.02
    assert mojibake("\ufffd" + 99 * "é") == 0.01
    assert mojibake("è¦\ufffdå\ufffdšè\xad°") == 1


@given(st.text(alphabet=st.characters(max_codepoint=0x500)) | st.text())
def test_any_text_has_a_share(text: str) -> None:
    assert 0 <= mojibake(text) <= 1


def test_it_costs_little() -> None:
    """Would catch a pattern that goes over every text: a search of 5,000 characters takes 0.1 ms and more."""
    for language in ("English", "French", "Simplified Chinese", "Russian"):
        text = (TEXTS[language].replace("涓涓", "").replace("С™", "") * 200)[:5000]
        assert _seconds(text) < 60e-6, language  # twice what it takes at most, for a busy machine


def _seconds(text: str) -> float:
    times = []
    for _ in range(50):
        start = time.perf_counter()
        mojibake(text)
        times.append(time.perf_counter() - start)
    return min(times)
