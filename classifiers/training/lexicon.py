"""The clutter model's lexicon: what class words, tag paths and short texts speak for, learned over sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.extraction.columns import ELEMENT, FIRST, LAST, WORDS, WORDS_END
from pipeline.extraction.describe import (
    LEXICON_SIZES,
    LONG_PATH,
    ODDS,
    PATH,
    WORD_BITS,
    Lexicon,
    Page,
    describe_elements,
    empty_lexicon,
    is_short,
    path_slot,
    text_slot,
)
from pipeline.extraction.measures import TOKENS

_DOUBT: Final = 2.0  # sites that would have to speak for the other side
_STRONGEST: Final = 3.0


def observations(page: Page, tokens: NDArray[np.int32], labels: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """For each of the lexicon's parts: rows of slot, share of main text (by tokens) on this page."""
    describe_elements(page.tree, empty_lexicon().words, page.hints, page.context)
    weight = np.where(labels >= 0, tokens, 0).astype(np.float64)
    elements, blocks = page.tree.elements, page.tree.blocks
    total = np.concatenate([[0.0], np.cumsum(weight)])
    good = np.concatenate([[0.0], np.cumsum(weight * np.maximum(labels, 0))])
    inside = total[elements[:, LAST]] - total[elements[:, FIRST]]
    good_inside = good[elements[:, LAST]] - good[elements[:, FIRST]]
    counts = elements[:, WORDS_END] - elements[:, WORDS]
    words = page.tree.words & np.uint32((1 << WORD_BITS) - 1)
    contexts = page.context[blocks[:, ELEMENT]]
    known, words_of_block = (labels >= 0).astype(np.float64), page.measures[:, TOKENS].astype(np.int64)
    short = np.array([is_short(page, block) for block in range(len(blocks))], np.bool_)
    return [
        _shares(words, np.repeat(inside, counts), np.repeat(good_inside, counts)),
        _shares(_slots(path_slot, contexts[:, PATH]), weight, weight * labels),
        _shares(_slots(path_slot, contexts[:, LONG_PATH]), weight, weight * labels),
        _shares(_slots(text_slot, page.hashes)[short], weight[short], (weight * labels)[short]),
        _shares(page.words, np.repeat(known, words_of_block), np.repeat(known * labels, words_of_block)),
    ]


def _slots(slot: object, keys: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.array([slot(key) for key in keys], np.int64)  # type: ignore[operator]


def _shares(slots: NDArray[np.integer], weight: NDArray[np.float64], good: NDArray[np.float64]) -> NDArray[np.float64]:
    unique, place = np.unique(slots, return_inverse=True)
    total = np.bincount(place, weight, len(unique))
    share = np.bincount(place, good, len(unique)) / np.maximum(total, 1e-9)
    known = total > 0
    return np.stack([unique[known].astype(np.float64), np.clip(share[known], 0, 1)], axis=1)


def learn(observed: Sequence[list[NDArray[np.float64]]], sites: NDArray[np.int64]) -> Lexicon:
    """The lexicon of some pages: a slot's log-odds over the sites that have it, each counted once, against the mean."""
    parts = []
    for part, size in enumerate(LEXICON_SIZES):
        slots = np.concatenate([page[part][:, 0] for page in observed]).astype(np.int64)
        shares = np.concatenate([page[part][:, 1] for page in observed])
        site = np.repeat(sites, [len(page[part]) for page in observed])
        pairs, place = np.unique(slots * (int(sites.max()) + 1) + site, return_inverse=True)
        of_site = np.bincount(place, shares) / np.bincount(place)
        slot = pairs // (int(sites.max()) + 1)
        good, count = np.bincount(slot, of_site, size), np.bincount(slot, minlength=size)
        prior = of_site.mean()
        odds = np.log((good + _DOUBT * prior) / (count - good + _DOUBT * (1 - prior))) - np.log(prior / (1 - prior))
        odds = np.clip(np.where(count, odds, 0), -_STRONGEST, _STRONGEST)
        parts.append(np.round(odds / ODDS).astype(np.int8))
    return Lexicon(*parts)
