"""Mojibake that a page already holds: text that its site once read in a wrong charset and saved again.

The bytes of such a page are sound, so no decoder can tell; the characters can. Known are UTF-8 read as windows-1252
("â€™", "Ã©"), as windows-1251 ("РџСЂРё") and as GBK ("涓枃", "锟斤拷"), GBK read as Latin-1 ("ÄãºÃ"), and U+FFFD.

Each sequence is one that right text does not hold. "Ã" ends Portuguese words in capitals and "é" French ones, and a
quotation mark, a dash or a no-break space may follow, so these count only where the letters beside them leave no
other reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.extraction.decode import usual_characters

# What windows-1252 makes of the bytes 80 to BF, which follow the first byte of a character in UTF-8. A sign does not
# stand right after a letter of right text; the others may.
_SIGN = "\x80-\x9f¡-ª¬-º¼-¿€ƒ†‡ˆ‰Š‹ŒŽ˜™š›œžŸ"
_QUOTE = "‘’“”«»‚„•"
_TRAIL = f"{_SIGN}{_QUOTE}–—…\xa0\ufffd"
_UTF8_AS_1252 = re.compile(
    rf"""[Â-ð](?:
        (?:
            (?<=[ÂÃ])[{_SIGN}]
            | (?<=[a-z][ÂÃÄÅ])[{_TRAIL}]
            | (?<=[ÃÄÅ])[{_SIGN}{_QUOTE}](?=[a-z])
            | (?<=Ã)[{_QUOTE}](?=[A-Z])
            | (?<=\bÃ)[–—](?=[a-z])
        )(?:[ÂÃÄÅ][{_SIGN}{_QUOTE}])*
        | (?<=[a-z.,;:!?][ÂÃ])[ ]
        | (?<=â)(?:€[{_TRAIL}]?|[‚„†‡ˆ‰Š™šœ][{_TRAIL}])
        | (?<=à)[¤-ª¬-¹][{_TRAIL}]
        | (?<=á)[º»][{_SIGN}]
        | (?<=ï)(?:»¿|¿½|[¸¼½¾][{_TRAIL}])
        | (?<=ð)Ÿ[{_TRAIL}]{{1,2}}
        | (?<=[Î-Ñ×-Û])[{_TRAIL}](?:[Î-Ñ×-Û][{_TRAIL}])+
        | (?<=[ã-é])[{_TRAIL}]{{1,2}}(?:[ã-ï][{_TRAIL}]{{1,2}}){{2,}}
    )""",
    re.VERBOSE,
)

_AFTER_ER = "ђ‘’“”•–—™љ›њќћџ\xa0ЎўЈ¤Ґ¦§Ё©Є«¬®Ї°±Ііґµ¶·ё№є»јЅѕї"  # windows-1251 of 90 to BF
_AFTER_ES = "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—"  # and of 80 to 97
_UTF8_AS_1251 = re.compile(
    rf"[РСп](?:(?:(?<=Р)[{_AFTER_ER}]|(?<=С)[{_AFTER_ES}])(?:Р[{_AFTER_ER}]|С[{_AFTER_ES}])+|їЅ)"
)


def _of_bytes(lead: Iterable[int], trail: Iterable[int]) -> str:
    """The characters that GBK makes of two bytes."""
    pairs = (bytes([first, second]).decode("gb18030", "ignore") for second in trail for first in lead)
    return "".join(sorted(pair for pair in pairs if len(pair) == 1))


# Two Chinese characters are six bytes in UTF-8 and three characters of GBK; of these the second is often lost, and
# then punctuation and kana, which right text has after any ideograph, do not count as the third.
_HEAD_BYTES, _TAIL_BYTES = [*range(0xE2, 0xEA), 0xEF], range(0x80, 0xC0)
_FIRST = _of_bytes(_HEAD_BYTES, _TAIL_BYTES)
_SECOND = _of_bytes(_TAIL_BYTES, _HEAD_BYTES)
_THIRD = _of_bytes(_TAIL_BYTES, _TAIL_BYTES)
_IDEOGRAPH = _of_bytes([*range(0x81, 0xA1), *range(0xB0, 0xC0)], _TAIL_BYTES)
_LOST = "?€\ufffd"
_REST = f"(?:[{_SECOND}][{_THIRD}]|[{_LOST}]?[{_IDEOGRAPH}]|[{_LOST}])"
_UTF8_AS_GBK = re.compile(rf"[{_FIRST}](?:(?<=鈥)\S|(?<=[涓鐨鎴鏄锟]){_REST}|{_REST}(?:[{_FIRST}]{_REST})+)")

_GBK_AS_LATIN1 = re.compile("[°-×][¡-þ](?:[°-÷][¡-þ])+")
_USUAL_SHARE = 0.3  # of the Chinese characters that come out; half of those of right text are usual

# Neighbours without which a pattern cannot match, so that most texts are told by one quick pass.
_HINTS = (
    ("Â-ð", _SIGN, _UTF8_AS_1252),
    ("ÂÃÄÅ", f"{_TRAIL} ", _UTF8_AS_1252),
    ("â", "€‚„†‡ˆ‰Š™šœ", _UTF8_AS_1252),
    ("áï", "»", _UTF8_AS_1252),
    ("РСп", f"{_AFTER_ER}{_AFTER_ES}", _UTF8_AS_1251),
    (_FIRST, f"{_SECOND}{_THIRD}{_LOST}", _UTF8_AS_GBK),
    ("鈥", "^\\s", _UTF8_AS_GBK),
    ("°-×", "¡-þ", _GBK_AS_LATIN1),
)


def mojibake(text: str) -> float:
    """The share of the characters of a text that stand in mojibake, 0 to 1."""
    if text.isascii():
        return 0.0
    hints = _hints(np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16), *_hint_tables())
    found = ""
    for pattern in dict.fromkeys(pattern for bit, (_, _, pattern) in enumerate(_HINTS) if hints >> bit & 1):
        sequences = "".join(pattern.findall(text))
        if pattern is not _GBK_AS_LATIN1 or _is_chinese(sequences):
            found += sequences
    lost = text.count("\ufffd") - found.count("\ufffd")
    return min(1.0, (len(found) + lost) / len(text))


def _is_chinese(latin1: str) -> bool:
    chinese = latin1.encode("latin-1").decode("gb18030", "replace")
    usual = sum(map(usual_characters("gb18030").__contains__, chinese))
    return usual > 1 and usual >= _USUAL_SHARE * len(chinese)


@cache
def _hint_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """For each UTF-16 unit the hints that it begins and those that it ends, a bit each."""
    units = "".join(map(chr, range(1 << 16)))
    begins, ends = np.zeros((2, len(units)), np.uint8)
    for bit, (first, second, _) in enumerate(_HINTS):
        for table, characters in ((begins, first), (ends, second)):
            table[[ord(unit) for unit in re.findall(f"[{characters}]", units)]] |= 1 << bit
    return begins, ends


@njit(cache=True, nogil=True)
def _hints(units: NDArray[np.uint16], begins: NDArray[np.uint8], ends: NDArray[np.uint8]) -> int:
    found = np.uint8(0)
    for at in range(1, len(units)):
        found |= begins[units[at - 1]] & ends[units[at]]
    return int(found)
