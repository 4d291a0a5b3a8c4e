"""Real pages in old charsets, of the development crawl beside the repository, where it is present."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.extraction.decode import charset_of, decode
from pipeline.extraction.mojibake import mojibake
from pipeline.reading import Part, read
from pipeline.schema import Record

CRAWL = Path(__file__).resolve().parents[3] / "shared" / "crawl"

pytestmark = pytest.mark.skipif(not CRAWL.is_dir(), reason="the development crawl is not part of the repository")

_CAO = "http://caochangqing.com"
_CHARDET = "https://chardet.github.io/tests"
_MASATO = "https://masato.github.io"
_CHEMISTRY = "https://martinthoma.github.io/chemistry"
_TEKKEN = "http://www.tekkenzaibatsu.com/forums"
_ANTIBIOTIC = "http://www.antibiotic.ru"

# Each page was read and the phrase judged to be right text of its language. A page names the charset that it is in
# unless a comment says what the page or its HTTP head names.
PHRASES = {
    # gb2312
    f"{_CAO}/gb/newsdisp.php?News_ID=2531": "谈到革命，就如同谈虎色变",
    f"{_CAO}/gb/newsdisp.php?News_ID=49": "在沈重的打字机敲击中",
    f"{_CAO}/gb/newsdisp.php?News_ID=2489": "加拿大是没有死刑的",
    f"{_CAO}/gb/newsdisp.php?News_ID=3163": "转载请指明出处",
    f"{_CAO}/gb/newsdisp.php?News_ID=2275": "这在正常逻辑上明显不通",
    f"{_CAO}/gb/newsdisp.php?News_ID=3207": "贪腐和清廉之间的界限",
    f"{_CAO}/gb/index.php?Content=5&dispmode=1&RecNo=1": "害惨了的美国公司",
    f"{_CAO}/gb/newsdisp.php?News_ID=318": "生活作风一向谨严",
    f"{_CAO}/gb/newsdisp.php?News_ID=1095": "平均每个美国人比欧洲人每年多出",
    f"{_CAO}/gb/newsdisp.php?News_ID=3972": "股票是难以预测的",
    f"{_CHARDET}/GB2312/_mozilla_bug171813_text.html": "上网魔力宝贝免费玩",  # named iso-8859-1
    # big5
    f"{_CAO}/big5/newsdisp.php?News_ID=48": "西方左派精英們同樣是持這種論調",
    f"{_CAO}/big5/newsdisp.php?News_ID=2495": "監控管理作家的大掌櫃",
    f"{_CAO}/big5/newsdisp.php?News_ID=1593": "減稅，是經濟發展的「秘訣」",
    f"{_CAO}/big5/index.php?Content=6&dispmode=1&RecNo=201": "為什麼支持台灣獨立（代序）",
    f"{_CAO}/big5/newsdisp.php?News_ID=2980": "體制內這個形式倒不是最重要的",
    f"{_CAO}/big5/newsdisp.php?News_ID=694": "譯林的名譽掃地",
    f"{_CAO}/big5/newsdisp.php?News_ID=1292": "他喜歡看美式摔跤",
    f"{_CAO}/big5/newsdisp.php?News_ID=3840": "魯迅也有自相矛盾",
    f"{_CAO}/big5/newsdisp.php?News_ID=3223": "不久拉開明治維新的序幕",
    f"{_CAO}/big5/newsdisp.php?News_ID=244": "世界級假天才被揭穿",  # named iso-8859-1
    f"{_CHARDET}/Big5/_chromium_Big5_with_no_encoding_specified.html": "台北看守所昨天立即澄清",  # iso-8859-1
    # euc-jp, shift_jis
    f"{_CHARDET}/EUC-JP/_mozilla_bug426271_text-euc-jp.html": "お婆さんが川で洗濯をしていると",  # iso-8859-1
    f"{_CHARDET}/EUC-JP/_mozilla_bug620106_text.html": "テストのエンコーディングを検出",  # iso-8859-1
    f"{_MASATO}/2015/07/13/meshblu-compose-hubot-slack/": "名前を付けてアイコンを変更することができます",
    f"{_MASATO}/2014/05/05/chromebook-moinmoin/": "から気に入ったテーマをダウンロードします",
    f"{_MASATO}/2015/04/07/momentjs-mongodb-unix-timestamp-iso-8601/": "コンテナを起動します",
    f"{_CHARDET}/SHIFT_JIS/_chromium_Shift-JIS_with_no_encoding_specified.html": "党本部で小沢一郎代表らが出席して",
    f"{_MASATO}/2015/03/19/osx-yosemite-brew-python-byobu-emacs24/": "コピーモードに入りスクロール移動ができる",
    f"{_MASATO}/2015/01/15/asus-zenfone6-4months-after/": "都内でもよく行く地下の場所で",
    f"{_MASATO}/2014/05/13/gce-docker/": "最新のDebianバックポートのインスタンスを作成",
    f"{_MASATO}/archives/2015/page/11/": "温度と湿度データをMQTTを使って",
    # euc-kr, named iso-8859-1
    f"{_CHARDET}/EUC-KR/_mozilla_bug9357_text.html": "찾으시는 웹 페이지가 현재 사용할 수 없거나",
    f"{_CHARDET}/EUC-KR/_chromium_windows-949_with_no_encoding_specified.html": "국회 폭력사태와 관련된",
    # windows-1251, koi8-r, iso-8859-5; the pages of the detector named iso-8859-1
    f"{_ANTIBIOTIC}/books/macrolid/mcld07.shtml": "выявлен его синергизм с этамбутолом",
    f"{_ANTIBIOTIC}/books/immun/imm05.shtml": "за счет незрелости Т-клеток",
    f"{_ANTIBIOTIC}/books/pd/4.shtml": "пониженный кровоток и моторика",
    f"{_ANTIBIOTIC}/index.php-3119.html": "Курьёзы медицины",
    f"{_ANTIBIOTIC}/iacmac/ru/confer/2015/0319/report.shtml": "отечественные и иностранные специалисты",
    "http://unreal-pz.narod.ru/Files/TeamChameleon/TeamChameleon_ReadMe.Russian.html": "использовать комбо на сервере",
    f"{_CHARDET}/windows-1251-russian/_chromium_windows-1251_with_no_encoding_specified.html": "МОСКВА, 9 янв",
    f"{_CHARDET}/KOI8-R/_chromium_KOI8-R_with_no_encoding_specified.html": "Надежды на разрешение в пятницу кризиса",
    f"{_CHARDET}/iso-8859-5-russian/_chromium_ISO-8859-5_with_no_encoding_specified.html": "транзитом российского газа",
    # windows-1252, iso-8859-15
    f"{_CHEMISTRY}/projekt.htm": "wurden vollständig in Word eingetippt",
    f"{_CHEMISTRY}/metalle.htm": "Raumausfüllung - Kubisch innenzentriert",
    f"{_CHEMISTRY}/chemische_grundgesetze.htm": "können weder geschaffen noch zerstört werden",
    f"{_TEKKEN}/forumdisplay.php?forumid=27": "Österreich + Deutschland",  # named iso-8859-1, as the two below
    f"{_TEKKEN}/showthread.php?s=&threadid=134329&perpage=20&pagenumber=3": "Saw Aries’ post about TZ going offline",
    f"{_CHARDET}/windows-1252/_mozilla_bug421271_text.html": "£825. not bad for a £2 bet",
    "http://streamlab.info/download/real2unreal-0.3b/real2unreal-0.3b.html": "conversions en mètres, pieds et angles",
    "https://coddgenealogy.github.io/Feiner/75.html": "•  Residence, 13 Sep 2023",
    # other scripts, all named iso-8859-1
    f"{_CHARDET}/iso-8859-7-greek/_chromium_ISO-8859-7_with_no_encoding_specified.html": "την διήμερη περιοδεία",
    f"{_CHARDET}/windows-1254-turkish/_chromium_windows-1254_with_no_encoding_specified.html": "en çarpıcı adres",
    f"{_CHARDET}/windows-1255-hebrew/_chromium_windows-1255_with_no_encoding_specified.html": "לקרוא להפסקת אש מיידית",
    f"{_CHARDET}/windows-1256-arabic/_chromium_windows-1256_with_no_encoding_specified.html": "أعلنت كتائب الشهيد",
    f"{_CHARDET}/iso-8859-6-arabic/_chromium_ISO-8859-6_with_no_encoding_specified.html": "أعلنت كتائب الشهيد",
    f"{_CHARDET}/TIS-620/_mozilla_bug488426_text.html": "รหัสสำหรับอักขระไทย",
    f"{_CHARDET}/UTF-16LE/plane1-utf-16le.html": "·𐑜𐑮𐑱𐑑 ·𐑚𐑮𐑦𐑑𐑩𐑯",
    f"{_CHARDET}/UTF-32LE/plane1-utf-32le.html": "·𐑜𐑮𐑱𐑑 ·𐑚𐑮𐑦𐑑𐑩𐑯",
    f"{_CHARDET}/UTF-32BE/plane1-utf-32be.html": "·𐑜𐑮𐑱𐑑 ·𐑚𐑮𐑦𐑑𐑩𐑯",
    # UTF-8 that names iso-8859-1, shift_jis for jvndb
    "http://newhtml.net/category/%E6%95%99%E7%A8%8B/page/2/": "任何一个网页设计师或前端设计师都对",
    "https://00btweb.github.io/posts/1229/?print=1": "导演: 瓦蒂姆·吉恩",  # cut inside a character
    "http://tedxkidschiyoda.com/blog/page/2/": "この技術自体は戦前からありましたが",
    "http://jvndb.jvn.jp/": "機密性への影響(C): 高",
    "https://www.receptyprevas.sk/recepty/buchty-na-pare-babickin-recept-na-parene-buchty/": "Buchty na pare paríme",
    "https://www.essen-und-trinken.de/rezepte/"
    "pfeffer-rumpsteak-mit-tomaten-salsa-und-pimientos-de-padr%C3%B3n-12805018.html": "im Mörser grob zerstoßen",
}


@pytest.fixture(scope="module")
def pages() -> list[Record]:
    return [
        record for file in sorted(CRAWL.glob("dev-*.warc.gz")) for record in read(Part(str(file))) if not record.reason
    ]


@pytest.fixture(scope="module")
def legacy(pages: list[Record]) -> dict[str, str]:
    """URL and decoded text of each page whose bytes are not UTF-8."""
    return {page.url: decode(page.body, page.charset).text for page in pages if not _is_utf8(page.body)}


def _is_utf8(html: bytes) -> bool:
    try:
        html.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_pages_in_old_charsets_lose_no_character(legacy: dict[str, str]) -> None:
    """Would catch wrong codec tables: gb2312 without the characters of gbk, iso-8859-1 without its quotes.

    Measured on 551 pages: none holds bytes for which its charset has no character. Four hold one private-use
    character each, where their author typed a character of GBK's user-defined area.
    """
    assert len(legacy) > 540
    lost = {url: len(re.findall("[\ufffd\x80-\x9f]", text)) for url, text in legacy.items()}
    private = {url: len(re.findall("[\ue000-\uf8ff\U000f0000-\U0010ffff]", text)) for url, text in legacy.items()}
    assert max(lost.values()) == 0, max(lost, key=lambda url: lost[url])
    assert max(private.values()) <= 1, max(private, key=lambda url: private[url])
    assert sum(private.values()) <= 4


def test_no_page_in_an_old_charset_becomes_mojibake(legacy: dict[str, str]) -> None:
    """Would catch Chinese or UTF-8 read as Latin letters, which loses no character."""
    assert not [url for url, text in legacy.items() if mojibake(text)]


def test_phrases_of_pages_come_out_right(pages: list[Record]) -> None:
    """Would catch a page that is read in a charset near its own: iso-8859-6 as windows-1256, iso-8859-5 as koi8-r."""
    texts = {page.url: decode(page.body, page.charset).text for page in pages if page.url in PHRASES}
    assert not [(url, phrase) for url, phrase in PHRASES.items() if phrase not in texts.get(url, "")]


def test_charsets_are_told_from_their_bytes(pages: list[Record]) -> None:
    """The test pages of a charset detector: their address names the charset, their HTTP head another."""
    told, wrong = 0, []
    for page in pages:
        match = re.search(
            r"chardet\.github\.io/tests/([\w-]+?)(?:-(?:russian|bulgarian|greek|hebrew|turkish|arabic))?/", page.url
        )
        charset = charset_of(match.group(1)) if match else ""
        if charset:
            told += 1
            found = decode(page.body, page.charset).charset
            if found not in _ALIKE.get(charset, {charset}):
                wrong.append((page.url, found))
    assert told > 20
    assert not wrong


_ALIKE = {
    "utf-8": {"utf-8", "utf-16-le", "utf-16-be"},  # as a label, utf-16 means utf-8
    "windows-1252": {"windows-1252", "utf-8"},  # a page of ASCII
    "iso-8859-7": {"iso-8859-7", "windows-1253"},
    "windows-1254": {"windows-1254", "iso-8859-9"},
}
