"""Stage 2's rules: ``measure`` signals once, ``decide`` by thresholds as often as one likes."""

from rules import pii
from rules.decide import RULES, Rule, Thresholds, decide, explain, failures, load_thresholds
from rules.measure import measure

__all__ = ["RULES", "Rule", "Thresholds", "decide", "explain", "failures", "load_thresholds", "measure", "pii"]
