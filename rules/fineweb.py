"""FineWeb's rules (Penedo et al. 2024, section 3.6): lines that do not look like prose.

They agree with datatrove's ``FineWebQualityFilter`` on plain English lines, with these differences: a sentence mark
counts though a closing quote or bracket follows it; a Chinese character is as wide as 2.5 Latin ones; lines of code,
tables and formulas are left out; blank lines are no lines.
"""

from __future__ import annotations

import numpy as np

from rules.segment import ENDS_SENTENCE, REPEATED, Segments, share, total

SHORT_LINE = 30  # Latin characters


def measure(segments: Segments) -> dict[str, np.ndarray]:
    """One array a signal, one value a text: shares from 0 to 1, and line breaks a word.

    A text all of whose lines are code, tables or formulas has no lines to judge: it counts as fully punctuated.
    """
    lines = segments.lines
    prose = lines.prose
    prose_count = total(prose, lines.first)
    unpunctuated = total(prose & ~lines.has(ENDS_SENTENCE), lines.first)
    short = total(prose & (lines.width <= SHORT_LINE), lines.first)
    repeated = total((lines.end - lines.start) * lines.has(REPEATED), lines.first)
    breaks = np.maximum(prose_count - 1, 0)
    prose_words = total(lines.words * prose, lines.first)
    return {
        "fineweb.line_punctuation": 1 - share(unpunctuated, prose_count),
        "fineweb.short_lines": share(short, prose_count),
        "fineweb.duplicate_characters": share(repeated, total(lines.end - lines.start, lines.first)),
        "fineweb.line_breaks_per_word": share(breaks, prose_words),
    }
