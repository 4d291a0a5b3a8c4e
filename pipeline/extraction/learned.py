"""The learned backend: blocks of a page, a score for each, and the text of those with the best expected F1."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifiers.model_file import MODELS, read_model
from pipeline.errors import UserError
from pipeline.extraction import Removed, Source
from pipeline.extraction.choice import choose
from pipeline.extraction.columns import ELEMENT, END, LINK_BYTES, START
from pipeline.extraction.describe import FAMILY_BITS, Page, describe
from pipeline.extraction.elements import kernel
from pipeline.extraction.measures import LENGTH
from pipeline.extraction.model import Model, model_of, scores
from pipeline.extraction.text import render

_REMOVED_BLOCKS: Final = 100  # of a page that are kept to be looked at
_REMOVED_BYTES: Final = 200  # of each
_COMMENT_WORDS: Final = 1  # the first family of pipeline.extraction.words
_COMMENT_LENGTH: Final = 15  # letters; what is shorter are buttons and dates
_REASONS: Final = tuple(f"clutter {score / 100:.2f}" for score in range(101))


@functools.cache
def load_model(folder: str = "") -> Model:
    """The model in a folder that ``crawlmix train-extractor`` wrote, or the one that comes with the package.

    Raises UserError where it cannot be read or is of another version.
    """
    try:
        return model_of(read_model("clutter", Path(folder) if folder else MODELS))
    except (KeyError, ValueError) as error:
        raise UserError(f"the extractor's model in {folder or MODELS} is of another version ({error})") from None


class Learned:
    """The main text of decoded pages; see pipeline.extraction.Backend."""

    def __init__(self, comments: bool = False, markdown: bool = True, model: str = "") -> None:
        """``comments`` keeps what users wrote below an article; ``markdown`` marks headings, lists, tables and code."""
        self._model = load_model(model)
        self._comments = comments
        self._markdown = markdown

    def __call__(self, page: Source) -> tuple[str, Callable[[], Removed]]:
        """The main text, and what tells the first of the blocks that were left out, cut short, each with its reason and
        score and the number of the line before which it stood."""
        described, probabilities, chosen = self._judged(page)
        text, lines = render(described.tree, chosen, self._markdown)
        return text, functools.partial(_removed, described, probabilities, chosen, lines)

    def blocks(self, page: Source) -> list[tuple[float, bool, str]]:
        """Every block of the page: its score, whether it is main text, its text."""
        described, probabilities, chosen = self._judged(page)
        text, places = described.tree.text.tobytes(), described.tree.blocks[:, (START, END)].tolist()
        texts = [_text(text[start:end]) for start, end in places]
        return list(zip(probabilities.tolist(), chosen.tolist(), texts, strict=True))

    def _judged(self, page: Source) -> tuple[Page, NDArray[np.float32], NDArray[np.bool_]]:
        """The blocks of a page, their scores, and which are chosen."""
        described = describe(page.html, page.tree)
        probabilities = scores(described, self._model)
        chosen = choose(described, probabilities)
        return described, probabilities, chosen | _comments(described) if self._comments else chosen

    def close(self) -> None:
        """There is nothing to end."""


def _comments(page: Page) -> NDArray[np.bool_]:
    """The blocks with text of their own below an element whose class says that it holds comments."""
    blocks = page.tree.blocks
    below = page.context[blocks[:, ELEMENT], FAMILY_BITS] & _COMMENT_WORDS > 0
    mostly_text = 2 * blocks[:, LINK_BYTES] < blocks[:, END] - blocks[:, START]
    return below & mostly_text & (page.measures[:, LENGTH] >= _COMMENT_LENGTH)


def _removed(
    page: Page, probabilities: NDArray[np.float32], chosen: NDArray[np.bool_], lines: NDArray[np.int32]
) -> Removed:
    left_out = np.flatnonzero(~chosen)[:_REMOVED_BLOCKS]
    out = np.empty((_REMOVED_BYTES + 1) * len(left_out), np.uint8)
    size = _copy_beginnings(page.tree.text, page.tree.blocks, left_out, out)
    texts = out[:size].tobytes().decode("utf-8", "ignore").split("\0")[:-1]
    reasons = (100 * probabilities[left_out]).astype(np.int64).tolist()
    return Removed(texts, [_REASONS[reason] for reason in reasons], lines[left_out].tolist())


@kernel
def _copy_beginnings(
    text: NDArray[np.uint8], blocks: NDArray[np.int32], numbers: NDArray[np.int64], out: NDArray[np.uint8]
) -> int:
    """Writes the first bytes of some blocks, each with a zero after it; returns how many bytes that makes."""
    size = 0
    for number in numbers:
        start, end = blocks[number, START], blocks[number, END]
        if end - start > _REMOVED_BYTES:
            end = start + _REMOVED_BYTES
            while text[end] & 0xC0 == 0x80:  # not within a character
                end -= 1
        for at in range(start, end):
            out[size] = text[at]
            size += text[at] != 0
        out[size] = 0
        size += 1
    return size


def _text(block: bytes) -> str:
    return block.replace(b"\0", b"").decode("utf-8", "ignore")
