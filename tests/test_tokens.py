import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from pipeline import tokens
from pipeline.errors import UserError

TEXTS = [
    "The quick brown fox doesn't jump over 12345 lazy dogs;  it walks.\n\n",
    "敏捷的棕色狐狸跳过了懒狗。北京大学有很多学生，他们在图书馆学习。",
    "iPhone手机 costs ￥4999 — naïve café, Ελληνικά, हिन्दी भाषा\r\n\tindented",
    'def main():\n    print("hello")  # 注释\n',
] * 8
TRAINED = tokens.train(TEXTS, 450)
LOOKALIKES = "a page about <|endoftext|> and </s> tokens <|endoftext|>"


def reference(tokenizer: tokens.Tokenizer, text: str) -> list[int]:
    """Ids by the tokenizers library; what looks special is text."""
    whole = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    whole.encode_special_tokens = True
    return whole.encode(text, add_special_tokens=False).ids


def of_library(tokenizer: tokenizers.Tokenizer, path: Path) -> tokens.Tokenizer:
    tokenizer.save(str(path))
    return tokens.load(str(path))


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        st.sampled_from("aeinort  \n\r\t.,'’<|>endoftext狐狸北京大学图书馆12é́ भा")
        | st.characters(exclude_categories=["Cs"])
    )
)
def test_fast_ids_are_those_of_the_tokenizers_library(text: str) -> None:
    assert TRAINED._fast is not None
    assert TRAINED.encode([text])[0].tolist() == reference(TRAINED, text)


def test_long_runs_are_encoded_too() -> None:
    """Catches the regular expression engine that gives up on a million spaces."""
    for run in (" " * 1_000_000, "x" * (tokens.LONG - 1), " " * (tokens.LONG - 1)):
        assert TRAINED.encode([run])[0].tolist() == reference(TRAINED, run)


def test_ids_give_back_the_text() -> None:
    """Catches a vocabulary that lacks bytes, and a decoder that does not undo the encoding."""
    whole = tokenizers.Tokenizer.from_str(TRAINED.to_json())
    for text in [*TEXTS[:4], "unseen: \U0001f600 ᚠᛇᚻ"]:
        assert whole.decode(TRAINED.encode([text])[0].tolist()) == text


def test_encoding_has_no_special_tokens() -> None:
    """Catches pages that could end a document, or close a quotation, by writing a special token's name."""
    ids = TRAINED.encode([LOOKALIKES, ""])
    assert TRAINED.eos_id not in ids[0] and ids[0].dtype == np.int32 and ids[1].size == 0
    assert TRAINED.describe() == {"vocab_size": 450, "eos": "<|endoftext|>", "eos_id": 0}


def test_training_is_the_same_in_every_process() -> None:
    """Catches an order of hash tables or threads that gets into the vocabulary."""
    program = (
        "import hashlib; from pipeline import tokens; "
        f"print(hashlib.sha256(tokens.train({TEXTS!r}, 450).to_json().encode()).hexdigest())"
    )
    for threads in ("1", "2"):
        environment = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        output = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert output.stdout.strip() == hashlib.sha256(TRAINED.to_json().encode()).hexdigest()


def test_digits_stand_alone_and_chinese_apart_from_letters() -> None:
    pieces = tokenizers.Tokenizer.from_str(TRAINED.to_json()).pre_tokenizer.pre_tokenize_str("iPhone手机 99")
    assert [end - start for _, (start, end) in pieces] == [6, 2, 1, 1, 1]


def test_gpt2s_split_and_nfc_are_fast_too(tmp_path: Path) -> None:
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.normalizer = tokenizers.normalizers.NFC()
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<|im_end|>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator(TEXTS, trainer)
    tokenizer = of_library(library, tmp_path / "tokenizer.json")
    assert tokenizer._fast is not None and tokenizer.eos == "</s>"
    for text in [*TEXTS[:4], "cafe\u0301 12345", LOOKALIKES]:
        assert tokenizer.encode([text])[0].tolist() == reference(tokenizer, text)


def test_merges_that_ids_do_not_tell_are_left_to_the_library(tmp_path: Path) -> None:
    """Catches a BPE whose ids are not in the order of merges, which tiktoken would read wrongly."""
    definition = json.loads(TRAINED.to_json())
    vocabulary, merges = definition["model"]["vocab"], definition["model"]["merges"]
    first, last = ("".join(merges[i]) for i in (0, -1))
    vocabulary[first], vocabulary[last] = vocabulary[last], vocabulary[first]
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(definition), encoding="utf-8")
    swapped = tokens.load(str(path))
    assert swapped._fast is None
    assert [swapped.encode([text])[0].tolist() for text in TEXTS] == [reference(swapped, text) for text in TEXTS]


def test_other_kinds_of_tokenizers_encode_text_as_text(tmp_path: Path) -> None:
    """Catches vocabularies that hold the end of text as an ordinary piece."""
    unigram = tokenizers.Tokenizer(
        models.Unigram([("<unk>", 0.0), ("</s>", -1.0), *((c, -5.0) for c in "abc</s> ")], 0)
    )
    unigram.add_special_tokens(["</s>"])
    tokenizer = of_library(unigram, tmp_path / "tokenizer.json")
    assert tokenizer._fast is None and tokenizer.eos_id == 1
    ids = tokenizer.encode(["abc </s> cab", ""])
    assert 1 not in ids[0] and len(ids[0]) == 12 and ids[1].size == 0


def test_a_tokenizer_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(TRAINED.to_json(), encoding="utf-8")
    again = tokens.load(str(path))
    assert again.to_json() == TRAINED.to_json() and again.describe() == TRAINED.describe()


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", "not json", '{"model": {}}'])
def test_a_file_that_is_no_tokenizer_is_refused(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"no Hugging Face tokenizer\.json"):
        tokens.load(str(path))


def test_a_tokenizer_without_an_end_of_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no token that ends a text"):
        of_library(tokenizers.Tokenizer(models.BPE()), tmp_path / "tokenizer.json")


def test_a_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(UserError, match="at least 257"):
        tokens.train(TEXTS, 256)
