"""Spam made from clean pages the way spammers make it: training examples of ``seo_spam`` in Chinese and English.

Five recipes, met in real crawls: a term sown into unrelated prose, a text that repeats itself around a term, sentences
of two topics by turns under a title that has to do with neither, a list of other pages' headlines on one term, and
prose of which words are swapped for near synonyms.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from classifiers.training.data import Document

PLACES = {
    "zh": [
        "北京",
        "上海",
        "广州",
        "深圳",
        "成都",
        "重庆",
        "武汉",
        "西安",
        "佛山",
        "东莞",
        "郑州",
        "石家庄",
        "昆山",
        "沈阳",
        "南宁",
        "济南",
        "合肥",
        "太原",
    ],
    "en": [
        "London",
        "Dallas",
        "Miami",
        "Toronto",
        "Sydney",
        "Chicago",
        "Houston",
        "Dublin",
        "Phoenix",
        "Denver",
        "Leeds",
        "Austin",
    ],
}
GOODS = {
    "zh": [
        "彩票平台",
        "娱乐城",
        "体育官方",
        "棋牌游戏",
        "真人百家乐",
        "老虎机",
        "幸运飞艇",
        "时时彩计划",
        "私家侦探",
        "婚外情调查",
        "资质代办",
        "资质转让",
        "短视频账号购买",
        "蛋糕培训学校",
        "网站优化",
        "关键词排名",
        "种植牙",
        "男科医院",
        "无痛人流",
        "整形美容",
        "代理记账",
        "二手设备回收",
        "搬家公司",
        "办证",
        "无抵押贷款",
        "减肥茶",
        "白癜风治疗",
        "汽车陪练",
        "加盟店",
        "高仿手表",
        "药品代购",
        "手机定位",
        "安全许可证",
        "体育直播",
    ],
    "en": [
        "payday loans",
        "online casino",
        "slot machines",
        "replica watches",
        "weight loss pills",
        "essay writing service",
        "cheap flights",
        "car insurance quotes",
        "garage door repair",
        "designer handbags",
        "generic pills",
        "betting tips",
        "bitcoin trading",
        "mattress reviews",
        "vpn coupon",
        "carpet cleaning",
        "forex robot",
        "sports jerseys",
        "hair extensions",
        "vape juice",
    ],
}
FRAMES = {
    "zh": [
        "{place}{good}哪家好",
        "{place}{good}多少钱",
        "{good}官网_{good}首页",
        "{good}app下载安装",
        "正规{good}排名",
        "{place}{good}",
        "{good}官方_{good}官方版",
        "{good}怎么样",
        "{good}最新版网址",
        "专业{place}{good}费用",
    ],
    "en": [
        "best {good} {place}",
        "cheap {good} online",
        "{good} near me",
        "{good} {place}",
        "buy {good}",
        "top 10 {good}",
    ],
}
SWAPS = {
    "zh": "喜欢:爱好 非常:十分 重要:主要 因为:由于 但是:然而 开始:起头 问题:疑问 帮助:援助 方法:法子 企业:公司 "
    "人们:大家 使用:利用 提高:进步 发展:成长 质量:品质 需要:须要 认为:以为 如果:假如 生活:糊口 许多:良多 容易:轻易 "
    "情况:环境",
    "en": "people:individuals important:critical use:utilize help:assist good:decent big:enormous get:acquire "
    "make:create show:display many:various need:require think:surmise buy:purchase start:commence easy:simple "
    "way:route work:labor money:cash new:fresh time:period",
}
LABELS = {
    "zh": ("简要描述：", "本文摘要：", "本文关键词：", "相关推荐", "列表"),
    "en": ("Summary: ", "In this article: ", "Keywords: ", "Related posts", "Results"),
}
STOP = re.compile(r"(?<=[。！？；.!?;\n])\s*")


class Spinner:
    """Makes spam in one language out of clean documents in it."""

    def __init__(self, documents: Sequence[Document], language: str, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._language = language
        self._swaps = dict(pair.split(":") for pair in SWAPS[language].split())
        clean = (self._sentences(document.text) for document in documents if document.language == language)
        self._texts = [sentences for sentences in clean if len(sentences) >= 6]

    def documents(self, count: int) -> list[Document]:
        """``count`` spam texts, by each recipe in turn."""
        recipes: list[Callable[[], str]] = [
            self._sown,
            self._repeated,
            self._alternating,
            self._headlines,
            self._swapped,
        ]
        texts = (recipes[place % len(recipes)]() for place in range(count))
        return [Document(text, self._language, "seo_spam", "spun") for text in texts]

    def _sentences(self, text: str) -> list[str]:
        return [sentence for sentence in STOP.split(text[:3000]) if 8 <= len(sentence) <= 300]

    def _term(self) -> str:
        frame, place = self._random.choice(FRAMES[self._language]), self._random.choice(PLACES[self._language])
        return frame.format(place=place, good=self._random.choice(GOODS[self._language]))

    def _prose(self, most: int = 14) -> list[str]:
        sentences = self._random.choice(self._texts)
        start = self._random.randrange(max(len(sentences) - 5, 1))
        return sentences[start : start + self._random.randint(5, most)]

    def _join(self, sentences: Sequence[str]) -> str:
        return ("" if self._language == "zh" else " ").join(sentences)

    def _sown(self) -> str:
        """A term before or within some sentences of unrelated prose, and in its title."""
        term, sentences = self._term(), self._prose()
        sown = [
            f"{term}{'' if self._language == 'zh' else ' '}{s}" if self._random.random() < 0.3 else s for s in sentences
        ]
        return f"{term}\n{term}{self._join(sown)}\n{self._join(self._prose(6))}{term}"

    def _repeated(self) -> str:
        """One paragraph under two labels, keywords, and the titles of neighbours."""
        brief, abstract, keywords, related, _ = LABELS[self._language]
        term, paragraph = self._term(), self._join(self._prose(7))
        return (
            f"{term}\n{brief}{paragraph}...\n{abstract}{paragraph}\n{paragraph}\n"
            f"{keywords}{term},{self._term()},{term}\n{related}\n{self._term()}\n{self._term()}"
        )

    def _alternating(self) -> str:
        """Sentences of two texts by turns under a title that has to do with neither."""
        pairs = zip(self._prose(), self._prose(), strict=False)
        return f"{self._term()}\n" + self._join([sentence for pair in pairs for sentence in pair])

    def _headlines(self) -> str:
        """A title and a list of headlines, most with the term."""
        term = self._random.choice(GOODS[self._language])
        lines = []
        for _ in range(self._random.randint(8, 20)):
            sentence = self._random.choice(self._prose())[: self._random.randint(12, 40)]
            place = self._random.choice(PLACES[self._language])
            lines.append(self._random.choice([f"{place}{term}{sentence}", f"{sentence} {term}", f"{term}?{sentence}"]))
        return f"{term}\n{LABELS[self._language][4]}\n" + "\n".join(lines)

    def _swapped(self) -> str:
        """Prose with words swapped for near synonyms, its sentences out of order, a term in between."""
        sentences = self._prose(20)
        self._random.shuffle(sentences)
        text = self._join(sentences)
        for word, other in self._swaps.items():
            text = text.replace(word, other)
        middle = len(text) // 2
        term = self._term()
        return f"{term}\n{text[:middle]}{term}{text[middle:]}"


def make_spam(documents: Sequence[Document], count: int) -> list[Document]:
    """``count`` spam texts in each language."""
    return [spam for language in ("zh", "en") for spam in Spinner(documents, language).documents(count)]
