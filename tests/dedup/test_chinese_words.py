import logging
import re

import jieba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup import segment

SENTENCES = [
    "我来到北京清华大学",
    "他来到了网易杭研大厦",
    "小明硕士毕业于中国科学院计算所后在日本京都大学深造",
    "乒乓球拍卖完了",
    "结婚的和尚未结婚的",
    "一次性交出去",
    "工信处女干事每月经过下属科室都要亲口交代二十四口交换机等技术性器件的安装工作",
    "龘靐齉爩鱻麤龗灪",  # characters that no word has
    "永和服装饰品有限公司",
    "王祖贤张曼玉林青霞在片场",  # names: the HMM's part
]


@pytest.fixture(scope="module", autouse=True)
def quiet_jieba() -> None:
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()


def words(run: str) -> list[str]:
    ends = segment.cut(segment.codes(run), segment.dictionary()).tolist()
    return [run[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_words_are_jiebas(sentence: str) -> None:
    assert words(sentence) == jieba.lcut(sentence)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(sorted(re.findall("[一-鿕]+", "".join(SENTENCES)))), min_size=1, max_size=3))
def test_words_are_jiebas_across_sentence_borders(sentences: list[str]) -> None:
    assert words("".join(sentences)) == jieba.lcut("".join(sentences))


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FD5), min_size=1))
def test_words_are_jiebas_for_any_characters(run: str) -> None:
    """Catches the paths that ordinary text seldom takes: prefixes without words, rare characters, ties."""
    assert words(run) == jieba.lcut(run)


def test_every_word_of_the_dictionary_is_there_with_its_prefixes() -> None:
    """Catches a table that loses entries to collisions or to a line that is read wrongly."""
    table = segment.dictionary()
    assert int((table.hashes != 0).sum()) == len(jieba.dt.FREQ)
    assert int((table.probability > -1e300).sum()) == sum(count > 0 for count in jieba.dt.FREQ.values())
