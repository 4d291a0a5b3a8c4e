"""The tokenizer: a byte-level BPE trained on the run, or any Hugging Face tokenizer.json.

Byte-level BPE (Qwen, Llama 3, GPT-2 …) is encoded by tiktoken, four to six times as quick as the tokenizers library and
with the same ids; everything else by tokenizers.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import fsspec
import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from pipeline.errors import UserError

END_OF_TEXT = "<|endoftext|>"
# What known tokenizers call the end of a document, in the order in which they are looked for.
END_NAMES = (END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>", "<｜end▁of▁sentence｜>", "<|im_end|>")

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
# Words with the space before them; Chinese apart from other letters, digits one by one, line ends with what precedes.
SPLIT = (
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[{HAN}]+|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}&&[^{HAN}]]+|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # ByteLevel's own

LONG = 200_000  # characters; tiktoken's regular expressions overflow on runs of a million spaces

Encode = Callable[[str], Sequence[int]]


class Tokenizer:
    """A tokenizer.json (``source``) and the token ``eos`` that ends a document.

    Text is always text: what looks like a special token in a page is encoded by its characters.
    """

    def __init__(self, source: str, eos: str) -> None:
        self.source, self.eos = source, eos
        whole = tokenizers.Tokenizer.from_str(source)
        names = whole.get_vocab(with_added_tokens=True)
        self.eos_id = names[eos]
        self.vocab_size = max(names.values()) + 1
        definition = json.loads(source)
        plain = definition | {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
        self._any = tokenizers.Tokenizer.from_str(json.dumps(plain))
        self._fast = _byte_level_encoder(definition)
        special = sorted(token["content"] for token in definition.get("added_tokens", []) if len(token["content"]) > 1)
        self._lookalike = re.compile(
            "|".join(f"(?<={re.escape(s[0])})(?={re.escape(s[1:])})" for s in special) or "(?!)"
        )

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids of each text, int32, without eos or any other special token."""
        return [np.array(self._encode(text), np.int32) for text in texts]

    def _encode(self, text: str) -> Sequence[int]:
        if self._fast is not None and len(text) < LONG:
            return self._fast(text)
        pieces = self._lookalike.split(text)  # cut after the first character, so that no vocabulary has it whole
        return [i for piece in pieces for i in self._any.encode(piece, add_special_tokens=False).ids]

    def to_json(self) -> str:
        return self.source

    def describe(self) -> dict[str, Any]:
        """What mix.json says of it."""
        return {"vocab_size": self.vocab_size, "eos": self.eos, "eos_id": self.eos_id}


def train(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE of at most ``vocab_size`` tokens; the same texts give the same tokenizer.

    Raises UserError for a vocabulary that does not hold the 256 bytes and the end of text.
    """
    if vocab_size < 257:
        raise UserError(f"a vocabulary of {vocab_size} is too small: give at least 257, the bytes and the end of text")
    tokenizer = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(tokenizers.Regex(SPLIT), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Tokenizer(tokenizer.to_str(), END_OF_TEXT)


def load(path: str) -> Tokenizer:
    """The tokenizer of a Hugging Face tokenizer.json (a path or an fsspec URL); raises UserError where it is none."""
    try:
        with fsspec.open(path, "r", encoding="utf-8") as file:
            source = file.read()
        names = tokenizers.Tokenizer.from_str(source).get_vocab(with_added_tokens=True)
    except Exception as error:  # tokenizers raises plain Exception
        raise UserError(f"{path} is no Hugging Face tokenizer.json: {' '.join(str(error).split())[:200]}") from None
    eos = next((name for name in END_NAMES if name in names), None)
    if eos is None:
        raise UserError(f"the tokenizer {path} has no token that ends a text: add one of {', '.join(END_NAMES)}")
    return Tokenizer(source, eos)


def _byte_level_encoder(definition: dict[str, Any]) -> Encode | None:
    """tiktoken's encoder for a plain byte-level BPE; None for any other tokenizer."""
    split, ranks = _split_pattern(definition.get("pre_tokenizer")), _ranks(definition)
    normalizer = definition.get("normalizer") or {}
    if split is None or ranks is None or normalizer.get("type", "NFC") != "NFC":
        return None
    import tiktoken

    try:
        encode = tiktoken.Encoding("crawlmix", pat_str=split, mergeable_ranks=ranks, special_tokens={}).encode_ordinary
    except ValueError:  # a pattern in Oniguruma's dialect
        return None
    return (lambda text: encode(unicodedata.normalize("NFC", text))) if normalizer else encode


def _split_pattern(pre_tokenizer: dict[str, Any] | None) -> str | None:
    """The one regular expression by which the text is split into pieces before BPE, if that is all."""
    steps = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer])
    if not all(step and not step.get("add_prefix_space") for step in steps):
        return None
    match steps:
        case [{"type": "ByteLevel", "use_regex": True}]:
            return GPT2_SPLIT
        case [
            {"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "use_regex": False},
        ]:
            return pattern
    return None


def _ranks(definition: dict[str, Any]) -> dict[bytes, int] | None:
    """Bytes of each token → id, if ids alone say what BPE does.

    tiktoken merges the adjacent pair whose union has the lowest id. That is BPE where every token but the bytes is the
    product of one merge, of older tokens, and ids rise in the order of merges.
    """
    model = definition["model"]
    if model.get("type") != "BPE" or any(model.get(name) for name in ("dropout", "byte_fallback")):
        return None
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        return None
    letters, vocabulary = _byte_letters(), model["vocab"]
    if not all(letter in vocabulary for letter in letters):
        return None
    ranks = {bytes([byte]): vocabulary[letter] for letter, byte in letters.items()}
    youngest = -1
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        token = vocabulary.get(left + right, -1)
        if token <= youngest or not all(piece in letters or vocabulary[piece] < token for piece in (left, right)):
            return None
        youngest = token
        ranks[bytes(letters[letter] for letter in left + right)] = token
    others = vocabulary.keys() - {token["content"] for token in definition.get("added_tokens", [])}
    return ranks if len(others) <= len(ranks) else None


def _byte_letters() -> dict[str, int]:
    """The letter by which byte-level tokenizers write each byte (GPT-2's table)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
