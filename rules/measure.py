"""Measure a batch of texts: every signal of every rule, in one table.

Steps measure, thresholds decide: nothing is dropped here. What the signals mean stands in the module that each one's
first name says; ``rules.decide`` compares them with thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from rules import c4, chinese, fineweb, gopher, pages, pii, repetition
from rules.phrases import find_phrases
from rules.segment import segment


def measure(
    texts: Sequence[str],
    languages: Sequence[str],
    urls: Sequence[str | None] | None = None,
    titles: Sequence[str | None] | None = None,
) -> pa.Table:
    """One row a text, one float32 column a signal; no value is null or NaN, an empty text has zeros or ones.

    ``languages`` are codes as the language model gives them ("en", "zh"); they choose stop words only. Keep a batch to
    some thousand texts: the work arrays take about 60 bytes a character.
    """
    segments = segment(texts)
    phrases = find_phrases(segments)
    signals = {
        **gopher.measure(segments, languages),
        **repetition.measure(segments),
        **c4.measure(segments, phrases),
        **fineweb.measure(segments),
        **chinese.measure(segments),
        **pages.measure(segments, phrases, urls, titles),
        **pii.measure(segments, texts),
    }
    return pa.table({name: pa.array(values.astype(np.float32)) for name, values in signals.items()})
