"""Each rule for pages that are no text, and each Chinese one, drops the page it is made for and keeps its neighbour."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rules
from rules.phrases import _phrases, find_phrases, has
from rules.segment import segment

PROSE = "The river rises in the hills and reaches the sea after a hundred miles. Boats go up to the old mill.\n"
CHINESE = "这条河发源于山中，流过一百多里以后进入大海。小船可以一直驶到旧磨坊，那里住着几户渔民。\n"


def fails(rule: str, text: str, language: str = "en", url: str = "", title: str = "") -> bool:
    signals = rules.measure([text], [language], [url], [title])
    return rules.failures(signals, [language], rules.load_thresholds())[rule][0].as_py()


MENU = "Home\nProducts\nAbout us\nContact\nNews\nBlog\nShop\nHelp\n"


@pytest.mark.parametrize(
    ("rule", "dropped", "kept"),
    [
        ("pages.advertisements", "Add to cart\nFree shipping on all orders\n" + PROSE, PROSE * 9 + "Advertisement\n"),
        ("pages.registration_prompts", "Log in\nForgot your password?\n" + PROSE, PROSE * 9 + "Log in to comment\n"),
        ("pages.registration_prompts", "登录\n注册\n忘记密码？\n" + CHINESE, CHINESE * 9 + "登录后评论\n"),
        ("pages.teasers", "Spring is here. Read more »\n" * 3 + PROSE, PROSE * 9 + "Read more »\n"),
        ("pages.diff", "diff --git a/x b/x\n@@ -1,2 +1,2 @@\n-old\n+new\n", "- apples\n- pears\n" + PROSE),
        (
            "pages.diff",
            "Revision as of 10:00\nOlder edit\n" + PROSE,
            "```\ndiff --git a/x b/x\n@@ -1 +1 @@\n```\n" + PROSE,
        ),
        ("pages.list", MENU, MENU + PROSE * 8),
        ("pages.long_line", "word " * 30_000, "word " * 1_000),
        ("pages.long_words", PROSE + "Zm9vYmFy" * 40, PROSE + "https://example.org/a/page/of/some/length"),
        ("pages.broken_characters", PROSE + "\ufffd" * 9, PROSE + "naïve café Ærø"),
        ("pages.broken_characters", "Itâ€™s a cafÃ© for Ã©tudes", "It’s a café for études in São Paulo"),
        ("pages.broken_characters", CHINESE.encode().decode("gbk", "replace"), CHINESE),
        ("pages.digits", "1234 5678\n" * 20, PROSE + "In 1871 there were 142."),
        ("pages.symbols", "~~~ *** === --- +++ a b c\n", PROSE),
        ("pages.upper_case", "BUY THIS AMAZING WATCH NOW\n", PROSE + "NASA and the BBC"),
        ("c4.lorem_ipsum", PROSE + "Lorem ipsum dolor sit amet.", PROSE),
        ("c4.javascript", "Please enable JavaScript to view this page.\n", PROSE * 4 + "JavaScript is a language.\n"),
        ("c4.policy", "This site uses cookies.\nPrivacy Policy\n", PROSE * 9 + "Privacy Policy\n"),
        ("c4.curly_brackets", "{{a}} {{b}} {{c}}\n" + PROSE, "```\nint main() { return 0; }\n```\n" + PROSE * 9),
    ],
)
def test_pages(rule: str, dropped: str, kept: str) -> None:
    """Catches: a rule that drops nothing, or sound text with one such line."""
    assert fails(rule, dropped)
    assert not fails(rule, kept)


@pytest.mark.parametrize(
    ("rule", "dropped", "kept"),
    [
        ("chinese.little_han", PROSE * 5 + CHINESE, CHINESE + "BBC NASA"),
        ("chinese.latin_and_digits", PROSE * 5 + CHINESE, CHINESE + "BBC NASA"),
        ("chinese.keywords", "手机、电脑、相机、耳机、键盘、鼠标|平板|音箱|路由器", CHINESE),
        ("chinese.no_punctuation", CHINESE.replace("，", "").replace("。", "") * 2, CHINESE),
        ("chinese.few_distinct_characters", "买手机上我们网站" * 40, CHINESE),
        ("chinese.unfinished_lines", CHINESE.replace("。\n", "\n") * 3, CHINESE),
        ("fineweb.line_punctuation", CHINESE.replace("。\n", "\n") * 3, CHINESE.replace("。\n", "。”\n")),
        ("repetition.duplicate_5_grams", "今天天气很好我们去公园" * 8, CHINESE),
        ("gopher.stop_words", "手机电脑相机耳机键盘鼠标平板音箱路由器" * 6, CHINESE + "我们也在这里。"),
    ],
)
def test_chinese(rule: str, dropped: str, kept: str) -> None:
    """Catches: Chinese text measured as if it were English words."""
    assert fails(rule, dropped, "zh")
    assert not fails(rule, kept, "zh")
    assert not rule.startswith("chinese.") or not fails(rule, dropped, "en")


def test_traditional_characters_are_not_garbled() -> None:
    """Catches: traditional Chinese and Japanese taken for UTF-8 read as GBK."""
    assert not fails("pages.broken_characters", "閱讀開關東車見貝門長馬鳥魚龍龜國學會圖書館發現" * 4, "zh")
    assert not fails("pages.broken_characters", "経済発展と図書館の関係について、読者が調べた。" * 4, "ja")


@pytest.mark.parametrize(
    ("rule", "title", "text", "expected"),
    [
        ("pages.error_title", "404 Not Found", PROSE, True),
        ("pages.error_title", "页面不存在", CHINESE, True),
        ("pages.error_title", "", "Page not found\nGo to the front page.", True),
        ("pages.error_title", "A river", "Page not found\n" + PROSE, False),
        ("pages.error_title", "", PROSE + "An access denied error came up.\n", False),
        ("pages.spam_title", "Best online casino bonus 2024", PROSE, True),
        ("pages.spam_title", "History of a town", PROSE + "The online casino closed.\n", False),
        ("pages.title_separators", "a|b|c|d|e|f|g", PROSE, True),
        ("pages.title_separators", "The river | Travel | Example", PROSE, False),
    ],
)
def test_titles(rule: str, title: str, text: str, expected: bool) -> None:
    """Catches: the text searched for what only a title may say, or the first line not taken for a missing title."""
    assert fails(rule, text, title=title) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/wp-login.php", True),
        ("https://example.org/index.php?title=A&action=edit", True),
        ("https://example.org/cart/", True),
        ("https://example.org/search?q=x", True),
        ("https://example.org/2024/how-to-search-a-cart", False),
        ("https://example.org/research/", False),
        ("", False),
    ],
)
def test_action_urls(url: str, expected: bool) -> None:
    """Catches: an article dropped because its address holds such a word."""
    assert fails("pages.action_url", PROSE, url=url) == expected


def test_missing_titles_and_urls() -> None:
    """Catches: a null title or URL that ends the run."""
    assert rules.measure([PROSE], ["en"], [None], [None]).equals(rules.measure([PROSE], ["en"]))


def contains(line: str, phrase: str) -> bool:
    """Plain search, with no Latin letter or digit touching a phrase that ends in one."""

    def latin(sign: str) -> bool:
        return sign.isascii() and sign.isalnum()

    for at in range(len(line) - len(phrase) + 1):
        before, after = line[at - 1 : at] if at else "", line[at + len(phrase) : at + len(phrase) + 1]
        if line[at : at + len(phrase)] == phrase:
            touched = (latin(before) and latin(phrase[0])) or (latin(after) and latin(phrase[-1]))
            if not touched:
                return True
    return False


ALL_PHRASES = [phrase for phrases in _phrases().values() for phrase in phrases]
FRAGMENTS = st.sampled_from(ALL_PHRASES + [phrase[:4] for phrase in ALL_PHRASES] + [" ", "x", "中", "\n", ". "])


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_phrases_agree_with_plain_search(text: str) -> None:
    """Catches: a phrase lost where it overlaps another one or begins inside it."""
    segments = segment([text.upper()])
    masks = find_phrases(segments)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for group, phrases in _phrases().items():
        expected = [any(contains(line, phrase) for phrase in phrases) for line in lines]
        assert has(masks, group).tolist() == expected
