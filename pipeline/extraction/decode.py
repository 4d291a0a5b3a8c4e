"""Bytes of a page to Unicode text, whatever charset they are in and whatever the page says of it.

In this order: a byte order mark; UTF-16, UTF-32 and ISO-2022 by their bytes; UTF-8 where the bytes are valid UTF-8,
since text of another charset hardly ever is; then the charsets that the HTTP head, the META element and the XML
declaration name and the common legacy ones, each judged by how usual the characters are that come out. A declaration
counts as a bonus, so one that lies is outvoted by the bytes.

Labels mean what browsers take them for (WHATWG Encoding Standard, https://encoding.spec.whatwg.org): ``gb2312`` is
gb18030, ``iso-8859-1`` is windows-1252, ``shift_jis`` is windows-31j. Codecs that are no charset of web pages (rot13,
utf-7, punycode) are never used.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ZH_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事"
    "成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日者意无力它与长把机十民第公此已"
    "工使情明性知全三又关点正业外将两高间由问很最重并物手应向头文体政美相见被利什二等产或新己制身果加西月话合回特代内信"
    "表化老给世位次度门任常先海通教原东声提立及比员解水名真论处走义各入几口认条平系气题活更别打女变四总何电数安少报结反"
)
_ZH_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事"
    "成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實日者意無力它與長把機十民第公此已"
    "工使情明性知全三又關點正業外將兩高間由問很最重並物手應向頭文體政美相見被利什二等產或新己制身果加西月話合回特代內信"
    "表化老給世位次度門任常先海通教原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活更別打女變四總何電數安少報結反"
)
_KANA = "".join(map(chr, [*range(0x3041, 0x3094), *range(0x30A1, 0x30FB)])) + "ー・日本人大年会国中一月"
_HANGUL = (
    "이다는에의을가고하지한사로기도리은자어인나아시서를대들그니있정수라만일해부여보전제원상것스주으구장게과유성우면연교"
    "동안당신화소비금회세조물실무모거저학때방내국문진오년월었요할말와마생선경관용게공미영"
)
_CJK_PUNCTUATION = "，。、：；？！（）「」“”‘’《》　・…―→←↑↓⇒○●◎★☆■□◆◇△▲▼※"
_CYRILLIC = "оеаинтсрвлкд"
_ARABIC = "اليمنورتبعدسفهكةقحجأ"
_PUNCTUATION = "\xa0“”‘’‚„–—…•·©®™°§«»¿¡€£´¨ºª×"
_WESTERN = "éèàüöäóáíñçêâôßúùîûëïãåøæìòœ" + _PUNCTUATION
_CENTRAL = "áéíóöúüőűčšžřěýůąćęłńśźżäôňťďľđ" + _PUNCTUATION


@dataclass(frozen=True)
class _Charset:
    """One charset: the codecs to try (the one with fewest losses is taken) and what usual text in it looks like.

    ``usual`` holds the frequent characters, of which typical text has the share ``share`` among its non-ASCII
    characters; where it is empty, small letters and punctuation are the usual characters. ``script`` tells how bytes
    above 127 stand: alone between ASCII letters ("latin"), in words of their own ("other"), or in pairs ("cjk").
    """

    codecs: tuple[str, ...]
    usual: str = ""
    share: float = 0.8
    script: str = "other"

    def fit(self, in_long_runs: float) -> float:
        """How well the share of non-ASCII bytes that stand in runs of three or more goes with the script, 0 to 1."""
        return {"latin": 1 - in_long_runs, "other": min(1.0, 1.5 * in_long_runs), "cjk": 1.0}[self.script]


_UTF8 = "utf-8"
_DEFAULT = "windows-1252"  # what browsers take where nothing is declared
_DETECTED = {
    _DEFAULT: _Charset(("cp1252",), _WESTERN, 0.9, "latin"),
    "windows-1250": _Charset(("cp1250",), _CENTRAL, 0.9, "latin"),
    "iso-8859-2": _Charset(("iso8859_2",), _CENTRAL, 0.9, "latin"),
    "windows-1254": _Charset(("cp1254",), "çğıöşüâîİ" + _PUNCTUATION, 0.9, "latin"),
    "gb18030": _Charset(("gb18030",), _ZH_SIMPLIFIED + _CJK_PUNCTUATION, 0.5, "cjk"),
    "big5": _Charset(("big5hkscs", "cp950"), _ZH_TRADITIONAL + _CJK_PUNCTUATION, 0.5, "cjk"),
    "shift_jis": _Charset(("cp932",), _KANA + _CJK_PUNCTUATION, 0.5, "cjk"),
    "euc-jp": _Charset(("euc_jp", "euc_jis_2004"), _KANA + _CJK_PUNCTUATION, 0.5, "cjk"),
    "euc-kr": _Charset(("cp949",), _HANGUL, 0.5, "cjk"),
    "windows-1251": _Charset(("cp1251",), _CYRILLIC, 0.65),
    "koi8-r": _Charset(("koi8_r",), _CYRILLIC, 0.65),
    "iso-8859-5": _Charset(("iso8859_5",), _CYRILLIC, 0.65),
    "ibm866": _Charset(("cp866",), _CYRILLIC, 0.65),
    "windows-1253": _Charset(("cp1253",), "αοιετσνηυρπκμλωςόίάέήύώδγ"),
    "windows-1255": _Charset(("cp1255",), "יוהלאתרבשמנםעדקחפס"),
    "windows-1256": _Charset(("cp1256",), _ARABIC),
    "iso-8859-6": _Charset(("iso8859_6",), _ARABIC),
    "windows-874": _Charset(("cp874",), "านรกอเงยมลวดท่้สตะปบคิี", 0.7),
}
_DECLARED_ONLY = {
    "windows-1257": "cp1257",
    "windows-1258": "cp1258",
    "koi8-u": "koi8_u",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-2022-jp": "iso2022_jp_2",
    "iso-2022-kr": "iso2022_kr",
    "hz-gb-2312": "hz",
    **{f"iso-8859-{n}": f"iso8859_{n}" for n in (3, 4, 7, 8, 10, 13, 14, 15, 16)},
}
_LATIN = re.compile(r"windows-125[78]|macintosh|iso-8859-(?:[34]|1[03-6])")
_ALIASES = {
    "gb18030": "gb2312 gbk gb_2312 gb_2312-80 x-gbk cp936 ms936 936 chinese csgb2312 euc-cn gb",
    "big5": "big5-hkscs big5hkscs x-x-big5 cn-big5 csbig5 cp950 big-5",
    "shift_jis": "shift-jis sjis x-sjis s-jis windows-31j ms_kanji csshiftjis cp932 ms932",
    "euc-jp": "x-euc-jp eucjp cseucpkdfmtjapanese x-euc",
    "euc-kr": "ks_c_5601-1987 ks_c_5601 ksc5601 ksc_5601 korean windows-949 cp949 uhc cseuckr euckr",
    "windows-1252": "iso-8859-1 iso8859-1 iso_8859-1 latin1 latin-1 l1 ascii us-ascii ansi cp1252 x-cp1252 x-ansi",
    "windows-1254": "iso-8859-9 iso8859-9 latin5 l5 cp1254",
    "windows-874": "tis-620 iso-8859-11 dos-874 cp874",
    "windows-1251": "cp1251 x-cp1251 win-1251 win1251",
    "windows-1250": "cp1250 x-cp1250",
    "windows-1253": "cp1253",
    "windows-1255": "cp1255",
    "windows-1256": "cp1256",
    "windows-1257": "cp1257",
    "windows-1258": "cp1258",
    "iso-8859-2": "latin2 latin-2 l2",
    "iso-8859-6": "arabic",
    "iso-8859-7": "greek",
    "iso-8859-8": "hebrew iso-8859-8-i iso-8859-8-e logical",
    "iso-8859-15": "latin9 latin-9 l9",
    "koi8-r": "koi8 koi koi8_r cskoi8r",
    "ibm866": "cp866 866 csibm866",
    "macintosh": "mac x-mac-roman",
    "iso-2022-jp": "csiso2022jp",
    "iso-2022-kr": "csiso2022kr",
    "hz-gb-2312": "hz hzgb2312",
    # A META element that could be read as ASCII is not UTF-16, whatever it says (HTML Standard, 13.2.3.2).
    _UTF8: "utf8 unicode-1-1-utf-8 utf-16 utf-16le utf-16be unicode",
}
_LABELS = {alias: name for name, aliases in _ALIASES.items() for alias in [name, *aliases.split()]}
_LABELS.update({name: name for name in [*_DETECTED, *_DECLARED_ONLY]})

_MARKS = {  # a mark comes before a shorter one that it begins with
    codecs.BOM_UTF8: _UTF8,
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_META = re.compile(rb"""<meta[^>]{0,500}?charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_XML = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)""", re.IGNORECASE)
_HEAD_BYTES = 8192  # where a declaration is looked for; browsers read 1024, old pages put it later

# A stretch of non-ASCII characters, trail bytes included. It begins with one class, which re can search for quickly.
_RUN = re.compile(rb"[\x80-\xff][\x40-\xff]?(?:[\x80-\xff][\x40-\xff]?)*")
_LONG_RUN = re.compile(rb"[\x80-\xff]{3,}")
_SAMPLED_RUNS = 400
_DECLARED_BONUS = 0.3
_FEW = 8  # with so many non-ASCII characters what they look like counts half
_CONVINCING = 0.85  # above it a declared charset is taken at its word
_PLAUSIBLE = 0.25  # below it no reading convinces, and the declared charset stands
_MOSTLY_UTF8 = 0.1  # with fewer bad among its non-ASCII characters a page is UTF-8 with faults

_STRIDE = 32  # bytes that are looked at in one step
_CONTROL_BYTES = bytes([*range(9), *range(14, 32), 127])
_BREAKS_TO_SPACE = bytes.maketrans(b"\x0b\x0c", b"  ")
_ANSI_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
    # A joiner shapes the letters of Arabic, Indic and other scripts, and emoji; after any other character it is noise.
    "(?<![\u0600-\u0fff\u1000-\u109f\u1780-\u18af\u2600-\u27bf\ufe0f\U0001f000-\U0001faff][\u200c\u200d])"
)


@dataclass(frozen=True)
class Decoded:
    """A page in UTF-8 without control characters; the charset that it was read in; how many U+FFFD stand for bad
    bytes."""

    utf8: bytes
    charset: str
    replaced: int

    @cached_property
    def text(self) -> str:
        return self.utf8.decode()


def _decoded(text: str, charset: str) -> Decoded:
    return Decoded(text.encode("utf-8", "replace"), charset, text.count("\ufffd"))


def decode(html: bytes, http_charset: str = "") -> Decoded:
    """Read the bytes of a page, in the charset that they are in; never fails.

    ``http_charset`` is the charset parameter of the HTTP head, "" where it has none.
    """
    controls = _holds_controls(np.frombuffer(html, np.uint8))
    wide = _marked(html) or (controls and _unmarked(html)) or _escaped(html, http_charset, controls)
    if wide:
        return _wide(html, wide)
    if controls:
        html = html.translate(_BREAKS_TO_SPACE, _CONTROL_BYTES)
    end = _utf8_end(np.frombuffer(html, np.uint8))
    return _legacy(html, http_charset) if end < 0 else Decoded(html[:end], _UTF8, int(end < len(html)))


@njit(cache=True, nogil=True)
def _utf8_end(html: NDArray[np.uint8]) -> int:
    """The end of the last whole character of UTF-8, -1 where there are other bytes (Unicode Standard, table 3-7)."""
    at, end = 0, len(html)
    while at < end:
        if at + _STRIDE <= end:
            bits = np.uint8(0)
            for byte in html[at : at + _STRIDE]:
                bits |= byte
            if bits < 0x80:
                at += _STRIDE
                continue
        while at < end and html[at] < 0x80:
            at += 1
        while at < end and html[at] >= 0x80:
            first = html[at]
            if first < 0xC2 or first > 0xF4:
                return -1
            size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            for place in range(at + 1, min(at + size, end)):
                if html[place] & 0xC0 != 0x80:
                    return -1
            if at + 1 < end:
                second = html[at + 1]
                if (
                    (first == 0xE0 and second < 0xA0)
                    or (first == 0xED and second > 0x9F)
                    or (first == 0xF0 and second < 0x90)
                    or (first == 0xF4 and second > 0x8F)
                ):
                    return -1
            if at + size > end:
                return at
            at += size
    return at


def clean(text: str) -> str:
    """Extracted text in NFC with \\n line ends, no control or invisible characters and no lone surrogates."""
    if _all_in(np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16), _clean_alone()):
        return text
    return unicodedata.normalize("NFC", _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


@cache
def _clean_alone() -> NDArray[np.bool_]:
    """For each UTF-16 unit whether it is a character that a clean text may hold whatever stands beside it.

    Not so: marks and conjoining jamo, which NFC joins or sorts, and what NFC replaces.
    """

    def alone(char: str) -> bool:
        category = unicodedata.category(char)
        return (
            category[0] not in "CM"
            and category not in ("Zl", "Zp")
            and not "\u1100" <= char <= "\u11ff"
            and unicodedata.is_normalized("NFC", char)
        )

    return np.array([char in "\t\n" or alone(char) for char in map(chr, range(1 << 16))])


@njit(cache=True, nogil=True)
def _all_in(units: NDArray[np.uint16], table: NDArray[np.bool_]) -> bool:
    found = True
    for unit in units:  # to the end: without a branch it is several times as fast
        found &= table[unit]
    return found


@njit(cache=True, nogil=True)
def _holds_controls(html: NDArray[np.uint8]) -> bool:
    """Whether any of _CONTROL_BYTES or a break that becomes a space is there, many bytes in one instruction."""
    for start in range(0, len(html), 4096):
        found = False
        for byte in html[start : start + 4096]:
            found |= ((byte < 32) & (byte != 9) & (byte != 10) & (byte != 13)) | (byte == 127)
        if found:
            return True
    return False


def charset_of(label: str) -> str:
    """The charset that a label stands for, "" where it names none of the web."""
    return _LABELS.get(label.strip().strip("\"'").lower(), "")


@cache
def usual_characters(name: str) -> frozenset[str]:
    """The frequent non-ASCII characters of texts in a charset; none where they are not known."""
    return frozenset(_charset(name).usual)


def _marked(html: bytes) -> str:
    return next((name for mark, name in _MARKS.items() if html.startswith(mark)), "")


def _unmarked(html: bytes) -> str:
    """UTF-16 and UTF-32 by where their zero bytes stand, since markup is ASCII."""
    head = html[:4096]
    zeros = [head[at::4].count(0) for at in range(4)]
    even, odd, half = zeros[0] + zeros[2], zeros[1] + zeros[3], len(head) // 2
    if odd > 0.3 * half and even < 0.1 * odd:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.1 * even:
        return "utf-16-be"
    if zeros[2] + zeros[3] > 0.9 * half and zeros[0] < 0.05 * half:
        return "utf-32-le"
    if zeros[0] + zeros[1] > 0.9 * half and zeros[3] < 0.05 * half:
        return "utf-32-be"
    return ""


def _escaped(html: bytes, http_charset: str, controls: bool) -> str:
    """The seven-bit charsets, whose bytes would pass for ASCII."""
    if not html.isascii():
        return ""
    if controls and b"\x1b$)C" in html:
        return "iso-2022-kr"
    if controls and (b"\x1b$B" in html or b"\x1b$@" in html):
        return "iso-2022-jp"
    if b"~" in html and b"~{" in html and "hz-gb-2312" in _declared(html, http_charset):
        return "hz-gb-2312"
    return ""


def _wide(html: bytes, name: str) -> Decoded:
    """Read a charset whose bytes include control codes, and clear them from the characters."""
    text = html.decode(_DECLARED_ONLY.get(name, name), "replace").removeprefix("\ufeff")
    text = _ANSI_CONTROLS.sub(lambda match: " " if match.group() in "\x0b\x0c\r" else "", text)
    return _decoded(text, name)


def _legacy(html: bytes, http_charset: str) -> Decoded:
    text = html.decode(_UTF8, "replace")
    replaced = text.count("\ufffd")
    runs = _RUN.findall(html)
    if replaced <= _MOSTLY_UTF8 * sum(map(len, runs)) / 3:
        return _decoded(text, _UTF8)
    declared = _declared(html, http_charset)
    best = _most_plausible(runs, declared) or next(iter(declared), _DEFAULT)
    first, *others = (html.decode(codec, "replace") for codec in _charset(best).codecs)
    text = min([first, *others], key=_losses) if others else first
    return _decoded(text, best)


def _declared(html: bytes, http_charset: str) -> list[str]:
    """The known charsets that HTTP head, XML declaration and META element name, in that order."""
    head = html[:_HEAD_BYTES]
    labels = [http_charset]
    labels += [
        match.group(1).decode("ascii", "replace") for pattern in (_XML, _META) if (match := pattern.search(head))
    ]
    return list(dict.fromkeys(name for label in labels if (name := charset_of(label))))


def _most_plausible(runs: list[bytes], declared: list[str]) -> str:
    sample = b" ".join(runs[:: max(1, len(runs) // _SAMPLED_RUNS)][:_SAMPLED_RUNS])
    in_long_runs = sum(map(len, _LONG_RUN.findall(sample))) / max(1, len(sample))
    best, best_score = "", _PLAUSIBLE
    for name in dict.fromkeys([*declared, _UTF8, *_DETECTED]):
        score = _plausibility(sample, name, in_long_runs)
        if name in declared:
            if score > _CONVINCING:
                return name
            score += _DECLARED_BONUS
        if score > best_score:
            best, best_score = name, score
    return best


def _plausibility(sample: bytes, name: str, in_long_runs: float) -> float:
    """How much a reading looks like text: up to 1 for usual characters, less 3 times the share that is broken."""
    charset = _charset(name)
    text = re.sub("[\x00-\x7f]+", "", sample.decode(charset.codecs[0], "replace"))
    if not text:
        return 0.0
    broken = _losses(text) / len(text)
    weight = len(text) / (len(text) + _FEW)
    if name == _UTF8:
        return weight * (1 - 3 * broken)
    usual = usual_characters(name)
    found = sum(map(usual.__contains__, text)) if usual else sum(map(_is_small_or_punctuation, text))
    expected = min(1.0, found / len(text) / charset.share)
    return weight * (expected * charset.fit(in_long_runs) - 3 * broken)


def _losses(text: str) -> int:
    """Replacement, C1 control and private-use characters."""
    return len(re.findall("[\x80-\x9f\ufffd\ue000-\uf8ff]", text))


def _is_small_or_punctuation(char: str) -> bool:
    return char.islower() or char in _PUNCTUATION


@cache
def _charset(name: str) -> _Charset:
    if name in _DETECTED:
        return _DETECTED[name]
    return _Charset((_DECLARED_ONLY.get(name, name),), script="latin" if _LATIN.fullmatch(name) else "other")
