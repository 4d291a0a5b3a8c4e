"""Vectors for semantic deduplication: near-copies are near, texts on the same topic are not copies."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from classifiers.embedding import embed
from pipeline.errors import UserError

BREAD = (
    "Mix the flour, water, salt and starter in a large bowl until no dry flour is left, and let the dough rest "
    "for an hour. Stretch and fold it every thirty minutes, four times, then leave it in a cool place overnight. "
    "In the morning shape a loaf, let it rise in a floured basket, and heat the oven with an iron pot inside. Cut "
    "the top with a sharp blade and bake with the lid on for twenty minutes, then without it until the crust is "
    "dark brown and sounds hollow."
)
OTHER_BREAD = (
    "A good loaf begins with patience. Weigh strong flour and mix it with yeast, sugar and lukewarm milk; knead "
    "until the dough is smooth and springs back when pressed. Cover the bowl with a cloth and wait until it has "
    "doubled. Knock out the air, roll it into a tin greased with butter, and bake at medium heat for forty "
    "minutes. Cool on a rack before slicing."
)
TEA = (
    "春天采摘的茶叶要先摊晾,再用铁锅翻炒,让叶片失去水分而变软。随后用手揉捻,使茶汁渗出,最后用小火烘干。"
    "保存时应放在密封的罐子里,避开阳光和潮气。冲泡绿茶的水温不宜过高,八十度左右最好,否则茶汤会发苦。"
)
OTHER_TEA = (
    "红茶与绿茶的区别在于发酵。制作红茶时,工人把鲜叶放在竹席上萎凋,之后经过揉捻和充分氧化,叶色由绿转红,香气也更浓。"
    "喝红茶可以加牛奶和糖,适合冬天饮用。茶园多在南方的丘陵地带,云雾多、雨水足,一年可以采收三到四次。"
)


def cosine(first: str, second: str) -> float:
    a, b = embed([first, second])
    return float(a @ b)


def test_rows_have_norm_one_and_texts_without_features_are_zero() -> None:
    vectors = embed([BREAD, TEA, "", "... !!!", "\ud800"])
    assert vectors.shape == (5, 256)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 0, 0, 0], abs=1e-5)
    assert embed([]).shape == (0, 256)


@pytest.mark.parametrize("text", [BREAD, TEA])
def test_near_copies_have_a_cosine_above_095(text: str) -> None:
    assert cosine(text, text) == pytest.approx(1, abs=1e-5)
    assert cosine(text, text.upper()) == pytest.approx(1, abs=1e-5)
    assert cosine(text, text.replace(",", ";")) > 0.95
    assert cosine(text, text + " 2021") > 0.95


def test_a_copy_with_a_few_words_changed_is_a_near_copy() -> None:
    words = (BREAD + " " + OTHER_BREAD).split()
    changed = list(words)
    changed[7], changed[90] = "kettle", "gently"
    assert cosine(" ".join(words), " ".join(changed)) > 0.95


@pytest.mark.parametrize(("first", "second"), [(BREAD, OTHER_BREAD), (TEA, OTHER_TEA)])
def test_other_texts_on_the_topic_are_no_copies(first: str, second: str) -> None:
    assert cosine(first, second) < 0.7


def test_languages_that_the_models_do_not_know_are_told_apart() -> None:
    """Known features alone (digits, a few letters) would make all texts in such a language copies of each other."""
    first = "В 2021 году завод выпустил новые станки, и рабочие получили премию за отличное качество продукции."
    second = "В 2021 году музыканты сыграли три концерта в старом театре, где зрители долго не отпускали артистов."
    assert cosine(first, second) < 0.7


def test_signs_keep_the_cosine_of_texts_that_share_half_of_their_words() -> None:
    choose = random.Random(0)
    words = ["".join(choose.choices("abcdefghijklmnopqrstuvwxyz", k=4)) for _ in range(900)]
    shared, first, second = words[:300], words[300:600], words[600:]
    texts = [" . ".join(shared + first), " . ".join(shared + second)]
    assert cosine(*texts) == pytest.approx(0.5, abs=0.25)


def write_model(folder: Path, **pooling: bool) -> Path:
    """A tiny transformers model with random weights, laid out as sentence-transformers do."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "mix", "the", "flour", "and", "water", "tea", "leaf"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
    if pooling:
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        entries = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in modules]
        (folder / "modules.json").write_text(json.dumps(entries))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def test_a_model_folder_pools_as_it_says(tmp_path: Path) -> None:
    plain = write_model(tmp_path / "plain")
    mean = write_model(tmp_path / "mean", pooling_mode_mean_tokens=True, pooling_mode_cls_token=False)
    first_token = write_model(tmp_path / "cls", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    texts = ["mix the flour and water", "tea leaf", ""]
    by_mean = embed(texts, str(mean))
    assert by_mean.shape == (3, 16)
    assert np.linalg.norm(by_mean, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.allclose(by_mean, embed(texts, str(plain)), atol=1e-5)
    assert not np.allclose(by_mean, embed(texts, str(first_token)), atol=1e-2)
    assert np.allclose(by_mean[0], embed(texts[:1], str(mean))[0], atol=1e-5)  # padding is not pooled
    assert embed([], str(mean)).shape == (0, 16)


@pytest.mark.parametrize("pooling", [{"pooling_mode_max_tokens": True}])
def test_a_pooling_that_is_not_known_is_refused(tmp_path: Path, pooling: dict[str, bool]) -> None:
    with pytest.raises(UserError, match="pools"):
        embed(["tea"], str(write_model(tmp_path / "max", **pooling)))


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="absent"):
        embed(["tea"], str(tmp_path / "absent"))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be loaded"):
        embed(["tea"], str(tmp_path))
