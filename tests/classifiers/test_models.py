"""The category, web-type and quality models: shapes, sums, determinism, hostile texts, and plain cases."""

from collections.abc import Callable

import numpy as np
import pytest

from classifiers import category, quality, webtype
from classifiers.calibration import load_calibration, logit_factors
from classifiers.facts import FACTS, measure_facts
from classifiers.features import hash_texts
from classifiers.linear import load_linear, softmax
from classifiers.taxonomy import load_taxonomy
from classifiers.webtype import TYPES

HOSTILE = [
    "",
    " \n\t",
    "\x00\x01\ufffe\uffff",
    "\ud800\udfff broken halves",
    "\u202e\u200f" * 500,
    "a" * 1_000_000,
    "漢" * 100_000,
    "😀" * 5000,
    "e\u0301" * 5000,
    "<script>" * 3000,
    "Ω≈ç√∫˜µ≤≥÷ ١٢٣ ไทย हिन्दी עברית 한국어 ひらがな",
]
PROOF = (
    "Theorem 2. Every finite field has prime power order. Proof. Let F be a finite field and p its "
    "characteristic. Then F is a vector space over the field with p elements, so that its number of elements is a "
    "power of p. The lemma on polynomials and the following corollary show that such a field exists and is unique "
    "up to isomorphism."
)
BASKET = (
    "Add to basket. Waterproof hiking boots for women, sizes 36 to 42, free delivery on orders over 50. In stock. "
    "Price 89.95. Customers also bought: merino socks, trekking poles. Secure checkout, 30 day returns, two year "
    "warranty."
)
STORY = (
    "The old captain lit his pipe and looked at the girl. 'You should not have come,' he said. She laughed, and "
    "the wind took her hat. Far below them the ship lay still, and nobody aboard knew that the gold was already "
    "gone. 'Tell me,' she whispered, 'did you love my mother?' He turned away, and for a long while he did not "
    "answer."
)
ELECTION = (
    "The prime minister said on Tuesday that the government would call an early election after lawmakers rejected "
    "the budget. Opposition leaders welcomed the vote, police said thousands of protesters gathered in the "
    "capital, and a spokesman told reporters that the president would meet party leaders on Thursday."
)
ZH_PHYSICS = (
    "电子在磁场中运动时受到洛伦兹力的作用。量子力学指出,微观粒子具有波粒二象性,其状态由波函数描述。"
    "本文研究了超导材料在低温下的电阻特性,实验结果表明,当温度低于临界温度时,材料的电阻降为零。"
)
ZH_NEWS = (
    "新华社北京电 记者从外交部获悉,国务院总理将于下周对三国进行正式访问。外交部发言人在例行记者会上表示,"
    "双方将就双边关系和共同关心的国际问题交换意见。会议强调,要坚持改革开放,推动经济高质量发展。"
)
ZH_SHOP = (
    "本店新款女装连衣裙,纯棉面料,多种颜色尺码可选,全场包邮,七天无理由退换货。原价299元,促销价159元,"
    "库存有限,欢迎选购。联系客服可享受优惠券,正品保证,支持货到付款。"
)
Scorer = Callable[[list[str]], np.ndarray]


def quality_array(texts: list[str]) -> np.ndarray:
    return np.array(quality.good_probability(texts))


@pytest.mark.parametrize(("scorer", "width"), [(category.probabilities, 200), (webtype.probabilities, len(TYPES))])
def test_probabilities_sum_to_one_for_any_text(scorer: Scorer, width: int) -> None:
    scores = scorer([*HOSTILE, PROOF])
    assert scores.shape == (len(HOSTILE) + 1, width)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all() and (scores >= 0).all()
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert scorer([]).shape == (0, width)


def test_quality_is_a_probability_for_any_text() -> None:
    scores = quality_array(HOSTILE)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert quality.good_probability([]) == []


@pytest.mark.parametrize("scorer", [category.probabilities, webtype.probabilities, quality_array])
def test_a_text_scores_the_same_in_any_batch(scorer: Scorer) -> None:
    texts = [PROOF, ZH_NEWS, *HOSTILE, BASKET]
    together = scorer(texts)
    assert np.array_equal(together, scorer(texts))
    for place, text in enumerate(texts):
        assert scorer([text])[0] == pytest.approx(together[place], abs=1e-6)


def test_scores_are_those_of_the_plain_matrix_product() -> None:
    texts = [PROOF, ZH_SHOP, ""]
    model, hashed = load_linear("category"), hash_texts(texts)
    dense = np.zeros((len(texts), len(model.matrix)))
    for place in range(len(texts)):
        part = slice(hashed.indptr[place], hashed.indptr[place + 1])
        dense[place, hashed.rows[part]] = hashed.weights[part]
    expected = dense @ (model.matrix * model.scale[:, None]) + model.bias[hashed.chinese.astype(int)]
    expected *= logit_factors(hashed, load_calibration().factor)
    assert category.probabilities(texts) == pytest.approx(softmax(expected), abs=1e-4)


def test_classify_gives_the_five_best_leaves_in_order() -> None:
    (best,) = category.classify([PROOF])
    scores = category.probabilities([PROOF])[0]
    assert [share for _, share in best] == sorted(scores.tolist(), reverse=True)[:5]
    assert best[0][0] == load_taxonomy().leaves[int(scores.argmax())]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PROOF, "knowledge"),
        (BASKET, "commerce"),
        (STORY, "fiction"),
        (ELECTION, "news"),
        (ZH_PHYSICS, "knowledge"),
        (ZH_NEWS, "news"),
        (ZH_SHOP, "commerce"),
    ],
)
def test_plain_cases_are_of_the_right_kind(text: str, kind: str) -> None:
    assert load_taxonomy().kind[category.classify([text])[0][0][0]] == kind


def test_prose_is_better_than_scraps() -> None:
    scraps = "Home | Login | Register\nMenu\nClick here\n>> next\n1 2 3 4 5\nShare Tweet Pin\nCookies\nSubscribe\n" * 8
    prose, menu = quality.good_probability([ELECTION + "\n" + STORY, scraps])
    assert prose > 0.5 > menu


def test_facts_of_the_page_tell_a_list_from_an_article() -> None:
    listing = {"html_bytes": 60_000, "text_ratio": 0.1, "link_density": 0.9, "n_links": 220, "n_paragraphs": 2}
    listing |= {"n_list_items": 150, "n_headings": 12, "url": "https://example.org/category/walks/?page=3"}
    article = {"html_bytes": 30_000, "text_ratio": 0.2, "link_density": 0.1, "n_links": 40, "n_paragraphs": 25}
    article |= {
        "jsonld_type": "BlogPosting",
        "og_type": "article",
        "url": "https://example.org/2021/05/spring-walk-notes",
    }
    scores = webtype.probabilities([ELECTION, ELECTION], [listing, article])
    assert scores[0, TYPES.index("listing")] > scores[1, TYPES.index("listing")]
    assert webtype.web_type([ELECTION], [article])[0][0] == "article"


def test_facts_may_be_missing_partial_or_wrong() -> None:
    facts = [{}, {"url": "http://[broken"}, {"url": None, "jsonld_type": "", "html_bytes": 0}, {"n_links": -5}]
    inputs = measure_facts([PROOF] * 4, facts)
    assert inputs.shape == (4, len(FACTS))
    assert np.isfinite(inputs).all()
    assert not inputs[0].any()
    assert webtype.web_type([PROOF], [{}]) == webtype.web_type([PROOF])
