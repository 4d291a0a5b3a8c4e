from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from classifiers import language
from pipeline.errors import UserError

ENGLISH = "The village by the river has a mill that still turns, and people come from far away to see it work."
CHINESE = "这座河边的村子里有一座还在转动的磨坊，很多人从远方来看它怎样工作。"
JAPANESE = "川のそばの村には今でも回っている水車があり、遠くから多くの人が見に来ます。"
KOREAN = "강가의 마을에는 아직도 돌아가는 물레방아가 있어서 멀리서 많은 사람들이 보러 온다."
RUSSIAN = "В деревне у реки есть мельница, которая ещё работает, и люди приезжают издалека."


def best(text: str) -> tuple[str, float]:
    return language.identify([text])[0][0]


@pytest.mark.parametrize(
    ("text", "code"), [(ENGLISH, "en"), (CHINESE, "zh"), (JAPANESE, "ja"), (KOREAN, "ko"), (RUSSIAN, "ru")]
)
def test_plain_prose_is_named_with_confidence(text: str, code: str) -> None:
    name, confidence = best(text)
    assert name == code
    assert 0.65 <= confidence <= 1.0


@pytest.mark.parametrize(
    "text", ["人民公園", "東京大學圖書館開放時間", "中国工商银行信用卡中心 2021", "廣告招商 聯絡電話"]
)
def test_han_characters_without_kana_are_not_japanese(text: str) -> None:
    """Would catch short Chinese pages being dropped as Japanese."""
    assert best(text)[0] == "zh"
    assert "ja" not in dict(language.identify([text])[0])


def test_a_stray_kana_does_not_make_chinese_japanese() -> None:
    assert best("優の良品推薦：" + CHINESE * 2)[0] == "zh"


def test_hangul_with_some_han_characters_is_korean() -> None:
    assert best("大韓民國 헌법은 국민의 자유와 권리를 보장한다 (憲法 第十條)")[0] == "ko"


def test_three_languages_come_best_first_and_texts_stay_in_order() -> None:
    texts = [ENGLISH, CHINESE, "", RUSSIAN]
    answers = language.identify(texts)
    assert [len(answer) for answer in answers] == [3, 3, 0, 3]
    for answer in answers:
        assert sorted(answer, key=lambda entry: -entry[1]) == answer
    assert answers == [language.identify([text])[0] for text in texts]


@pytest.mark.parametrize("text", ["", "\n\n", "2021-03-04 | 12:30 | 77 %", "______"])
def test_a_text_without_letters_has_no_language(text: str) -> None:
    assert language.identify([text]) == [[]]


def test_a_long_text_is_judged_from_start_to_end() -> None:
    """Would catch an English cookie notice on top deciding the language of a Russian article."""
    text = ENGLISH * 4 + "\n" + RUSSIAN * 200
    assert best(text)[0] == "ru"
    seen = language.sample(text)
    assert len(seen) <= language.CHARACTERS + language.WINDOWS
    assert "\n" not in seen


def test_an_altered_model_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    altered = tmp_path / "lid.176.ftz"
    shutil.copy(language.MODEL, altered)
    altered.write_bytes(altered.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(language, "MODEL", altered)
    with pytest.raises(UserError, match=r"lid\.176\.ftz"):
        language._model.__wrapped__()
