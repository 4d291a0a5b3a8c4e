"""FineWeb's rules (Penedo et al. 2024, section 3.6): lines that do not look like prose.

They agree with datatrove's ``FineWebQualityFilter`` on plain English lines, with these differences: a sentence mark
counts though a closing quote or bracket follows it; a Chinese character is as wide as 2.5 Latin ones; blank lines are
no lines; and lines of code, tables and formulas are no prose, which is all that these rules can judge.
"""

from __future__ import annotations

import numpy as np

from rules.lines import ENDS_SENTENCE, REPEATED
from rules.segment import Segments, share, total

SHORT_LINE = 30  # Latin characters


def measure(segments: Segments) -> dict[str, np.ndarray]:
    """One array a signal, one value a text: shares from 0 to 1, and line breaks a word.

    A text without lines to judge counts as fully punctuated (see ``Lines.judged``).
    """
    lines = segments.lines
    judged = lines.judged
    judged_count = total(judged, lines.first)
    unpunctuated = total(judged & ~lines.has(ENDS_SENTENCE), lines.first)
    short = total(judged & (lines.width <= SHORT_LINE), lines.first)
    repeated = total((lines.end - lines.start) * lines.has(REPEATED), lines.first)
    breaks = np.maximum(judged_count - 1, 0)
    words = total(lines.words * judged, lines.first)
    return {
        "fineweb.line_punctuation": 1 - share(unpunctuated, judged_count),
        "fineweb.short_lines": share(short, judged_count),
        "fineweb.duplicate_characters": share(repeated, total(lines.end - lines.start, lines.first)),
        "fineweb.line_breaks_per_word": share(breaks, words),
    }
