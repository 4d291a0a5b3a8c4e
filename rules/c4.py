"""C4's rules (Raffel et al. 2020, section 2.2; Xue et al. 2021 for other languages), as measures of a document.

C4 takes lines out before it counts; we take no line out, but count what is left: sentences stand in lines of three
words or more that mention neither JavaScript nor a policy. As in datatrove's ``C4QualityFilter`` with
``filter_no_terminal_punct=False`` (FineWeb's setting) a line need not end in a full stop. Words and sentence ends are
ours, so that Chinese is counted by characters and 。！？. Curly brackets in code and formulas do not count. C4's list
of bad words is not used: it drops medical and legal pages; adult pages are a matter of URLs and of the web type.
"""

from __future__ import annotations

import numpy as np

from rules.phrases import has
from rules.segment import Segments, share, total

MIN_WORDS_PER_LINE = 3


def measure(segments: Segments, phrases: np.ndarray) -> dict[str, np.ndarray]:
    """One array a signal, one value a text. ``phrases``: the groups of phrases that each line holds."""
    lines = segments.lines
    line_count = np.diff(lines.first)
    javascript, policy = has(phrases, "javascript") & lines.prose, has(phrases, "policy")
    counted = (lines.words >= MIN_WORDS_PER_LINE) & ~javascript & ~policy
    return {
        "c4.sentences": total(lines.sentences * counted, lines.first),
        "c4.javascript_lines": share(total(javascript, lines.first), line_count),
        "c4.policy_lines": share(total(policy, lines.first), line_count),
        "c4.lorem_ipsum": total(has(phrases, "lorem_ipsum"), lines.first),
        "c4.curly_brackets": share(total(lines.curly * lines.prose, lines.first), segments.characters),
    }
