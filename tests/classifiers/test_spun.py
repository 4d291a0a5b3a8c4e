"""Spam spun from clean documents: deterministic, sown with its terms, made of the documents' own sentences."""

import pytest

from classifiers.taxonomy import load_taxonomy
from classifiers.training.data import Document, load_texts
from classifiers.training.spun import GOODS, Spinner, make_spam

CLEAN = {
    "en": [" ".join(f"Sentence {word} of text {number} says little." for word in "abcdefgh") for number in range(4)],
    "zh": [
        "".join(f"第{number}篇文章的第{place}句话没有什么意思。" for place in "一二三四五六七八") for number in range(4)
    ],
}


def documents() -> list[Document]:
    return [Document(text, language, "gardening", "test") for language, texts in CLEAN.items() for text in texts]


@pytest.mark.parametrize("language", CLEAN)
def test_every_recipe_sows_a_term_and_keeps_sentences(language: str) -> None:
    for spam in Spinner(documents(), language).documents(20):
        assert any(good in spam.text for good in GOODS[language])
        assert ("Sentence" if language == "en" else "文章的第") in spam.text
        assert (spam.leaf, spam.language) == ("seo_spam", language)


def test_the_same_documents_give_the_same_spam() -> None:
    assert make_spam(documents(), 10) == make_spam(documents(), 10)


def test_spam_needs_only_the_language_it_is_made_in() -> None:
    foreign = [document for document in documents() if document.language == "en"]
    assert Spinner(foreign, "en").documents(5) == Spinner(documents(), "en").documents(5)


def test_written_texts_name_known_leaves_in_their_own_language() -> None:
    texts = load_texts()
    assert {text.leaf for text in texts} <= set(load_taxonomy().leaves)
    for text in texts:
        chinese = sum("\u4e00" <= character <= "\u9fff" for character in text.text)
        assert (chinese > 5) == (text.language == "zh")
    assert len({text.text for text in texts}) == len(texts)
