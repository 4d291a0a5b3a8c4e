"""Which language a text is in, by fastText lid.176 (Joulin et al. 2016, arXiv 1612.03651), the model of CCNet.

Changes to what the model says:

- Long texts are judged by windows of 2,000 characters in all, spread evenly from start to end.
- Chinese is often taken for Japanese (both are written in Han characters). A text with hardly any kana is not
  Japanese: the probability of ``ja`` goes to ``zh``. A text with more Hangul than Han characters is ``ko``: the
  probabilities of ``ja`` and ``zh`` go there.
- A text without a single letter has no language: no entries. Short texts are judged as they are; the model tells
  English from German by few words only with low confidence, so the threshold drops them.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

MODEL = Path(__file__).with_name("models") / "lid.176.ftz"
SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"

CHARACTERS = 2_000  # of a text that are looked at
WINDOWS = 4
TOP = 3
_CANDIDATES = 5  # asked of the model, as two may be merged

_LETTER = re.compile(r"[^\W\d_]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_HANGUL = re.compile("[\uac00-\ud7a3\u3131-\u318e]")
_KANA_OF_JAPANESE = 0.05  # least share among kana and Han characters; Japanese prose has more than half


def identify(texts: list[str]) -> list[list[tuple[str, float]]]:
    """The three most probable languages of each text with their probability, best first.

    Languages are the model's codes (ISO 639-1, or 639-3 where there is none). A text without letters gets [].
    Raises UserError where the model file is absent or altered.
    """
    model = _model()
    return [_identify(model, text) for text in texts]


def sample(text: str) -> str:
    """What the model sees of a text: at most CHARACTERS on one line, in windows spread evenly over the text."""
    if len(text) > CHARACTERS:
        width = CHARACTERS // WINDOWS
        starts = [window * (len(text) - width) // (WINDOWS - 1) for window in range(WINDOWS)]
        text = " ".join(text[start : start + width] for start in starts)
    return " ".join(text.split())


def _identify(model: Any, text: str) -> list[tuple[str, float]]:
    line = sample(text)
    if not _LETTER.search(line):
        return []
    # The pybind function, as FastText.predict fails with numpy 2. A line must end with \n.
    found = model.f.predict(line + "\n", _CANDIDATES, 0.0, "strict")
    shares = {label.removeprefix("__label__"): min(1.0, share) for share, label in found}
    if not shares.keys().isdisjoint(("ja", "zh", "ko")):
        shares = _judged_by_script(shares, line)
    return sorted(shares.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP]


def _judged_by_script(shares: dict[str, float], line: str) -> dict[str, float]:
    han, kana, hangul = (len(script.findall(line)) for script in (_HAN, _KANA, _HANGUL))
    if hangul > han + kana:
        return _merged(shares, "ko", ("ja", "zh"))
    if han and kana < _KANA_OF_JAPANESE * (han + kana):
        return _merged(shares, "zh", ("ja",))
    return shares


def _merged(shares: dict[str, float], into: str, languages: tuple[str, ...]) -> dict[str, float]:
    taken = sum(shares.get(language, 0.0) for language in languages)
    if not taken:
        return shares
    kept = {language: share for language, share in shares.items() if language not in languages}
    return kept | {into: min(1.0, kept.get(into, 0.0) + taken)}


@functools.cache
def _model() -> Any:
    from fasttext.FastText import _FastText

    try:
        digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"The language model {MODEL} cannot be read ({error}): reinstall crawlmix.") from error
    if digest != SHA256:
        raise UserError(
            f"The language model {MODEL} is not the file of that name that fastText publishes: reinstall crawlmix."
        )
    return _FastText(str(MODEL))
