"""Which mix to try next: mixes drawn around a plan, what their losses tell of all others, and the best of these.

A mix is searched as the shares of the taxonomy's groups; inside a group everything stays as the plan has it. Source:
RegMix (Liu et al. 2024, arXiv 2407.01492): small models are trained on drawn mixes, a regression learns their losses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata
from sklearn.base import RegressorMixin, clone
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from pipeline.errors import UserError
from pipeline.mix.plan import TINY, Plan, fill, solve
from pipeline.mix.spec import MixSpec, Taxonomy, assign, suggest

CONCENTRATION = (2.0, 32.0)  # of the Dirichlet distribution: from mixes far from the plan to mixes near it
EVENNESS = 0.5  # power of the plan's shares, RegMix's temperature
CANDIDATES = 10_000  # mixes whose loss is predicted
BEST = 100  # of them, whose mean is proposed: the single best would be the luckiest error of the regression
SHARE_STEPS = 10_000  # a proposed share is a whole number of these parts
LEAST_SHARE = 1e-3  # below it, all shares are alike to the regression on logarithms
PENALTIES = np.logspace(-3, 3, 13)  # of ridge regression


@dataclass(frozen=True)
class Space:
    """The mixes around a plan: shares of groups, float64 [groups], that the plan's caps allow."""

    spec: MixSpec  # the plan's, without shares: what decides inside a group
    groups: list[str]  # those that the plan reads
    plan: np.ndarray  # the plan's own shares
    most: np.ndarray  # the shares at which every document is read as often as its cap allows

    def draw(self, *seed: int) -> np.ndarray:
        """A mix: Dirichlet, around shares that are more even than the plan's, so that small groups are tried large too.

        How near to them it may be expected is drawn first.
        """
        random = np.random.default_rng(seed)
        concentration = np.exp(random.uniform(*np.log(CONCENTRATION)))
        middle = self.plan**EVENNESS
        drawn = random.dirichlet(concentration * middle / middle.sum())
        return fill(np.maximum(drawn, TINY), np.zeros(len(drawn)), self.most, 1.0)

    def spec_of(self, shares: np.ndarray, name: str) -> MixSpec:
        """The mix with these shares. (Where all groups that are read are named, a name is never taken for a kind's.)"""
        named = dict(zip(self.groups, shares.tolist(), strict=True))
        return self.spec.model_copy(update={"name": name, "shares": named})


def around(cells: pa.Table, spec: MixSpec, taxonomy: Taxonomy) -> Space:
    """The mixes around the plan of ``spec`` over ``cells`` (schema CELLS).

    Raises UserError as ``solve`` does, and for a plan around which there is no other mix.
    """
    plan = solve(cells, spec, taxonomy)
    shares, supply = group_shares(plan), Counter[str]()
    for cell in plan.cells:
        if cell["repeats"]:
            supply[taxonomy.group[cell["category"]]] += plan.max_repeats * cell["unique_tokens"] / plan.tokens_after
    if len(shares) < 2 or supply.total() < 1 + LEAST_SHARE:
        raise UserError(
            f"there is no other mix around {spec.name!r}: it reads one group alone, or all as often as its caps allow"
        )
    weights = _inner_weights(cells, spec, plan, taxonomy) if spec.shares else spec.weights
    return Space(
        spec=spec.model_copy(update={"shares": {}, "weights": weights}),
        groups=list(shares),
        plan=np.array(list(shares.values())),
        most=np.array([supply[group] for group in shares]),
    )


def group_shares(plan: Plan) -> dict[str, float]:
    """The share of each group that the plan reads, in the taxonomy's order."""
    shares: dict[str, float] = {}
    for entry in plan.categories:
        if entry["share_after"]:
            shares[entry["group"]] = shares.get(entry["group"], 0.0) + entry["share_after"]
    return shares


def _inner_weights(cells: pa.Table, spec: MixSpec, plan: Plan, taxonomy: Taxonomy) -> dict[str, float]:
    """Weights of categories that have the effect of the shares of ``spec`` inside each group."""
    bare = solve(cells, spec.model_copy(update={"weights": {}, "shares": {}, "floors": {}}), taxonomy)
    targets = {entry["category"]: entry["target_share"] for entry in plan.categories}
    return {
        entry["category"]: float(f"{targets.get(entry['category'], 0.0) / entry['target_share']:.6g}")
        for entry in bare.categories
        if entry["target_share"]
    }


def parse_targets(text: str, taxonomy: Taxonomy) -> dict[str, float]:
    """``knowledge`` or ``mathematics=2,computing=1`` as name → weight; weights sum to 1. Raises UserError."""
    known = {*taxonomy.leaves, *taxonomy.group.values(), *taxonomy.kind.values()}
    targets: dict[str, float] = {}
    for item in text.split(","):
        name, equals, number = (part.strip() for part in item.partition("="))
        try:
            weight = float(number) if equals else 1.0
        except ValueError:
            weight = 0.0
        if name not in known:
            raise UserError(f"--target {name!r} is no category, group or kind: {suggest(name, sorted(known))}")
        if name in targets or not 0 < weight < np.inf:
            raise UserError(f"--target {item}: give each name once, with a weight above 0, such as mathematics=2")
        targets[name] = weight
    return {name: weight / sum(targets.values()) for name, weight in targets.items()}


@dataclass(frozen=True)
class Regression:
    """From a mix to the logarithm of its loss. ``scores``: of each kind, by leaving one mix out at a time.

    r2 is 1 where each loss is told from the others exactly, and 0 or less where their mean tells as much; spearman is
    the correlation of the ranks.
    """

    kind: str
    model: RegressorMixin
    scores: dict[str, dict[str, float]]

    def losses(self, shares: np.ndarray) -> np.ndarray:
        """Predicted losses of mixes [n, groups]."""
        return np.exp(self.model.predict(shares))


def _kinds() -> dict[str, RegressorMixin]:
    logarithm = FunctionTransformer(lambda shares: np.log(np.maximum(shares, LEAST_SHARE)))
    return {
        "ridge": make_pipeline(StandardScaler(), RidgeCV(PENALTIES)),
        "ridge on logarithms": make_pipeline(logarithm, StandardScaler(), RidgeCV(PENALTIES)),
        "boosting": GradientBoostingRegressor(n_estimators=100, max_depth=2, subsample=0.7, random_state=0),
    }


def regress(shares: np.ndarray, losses: np.ndarray) -> Regression:
    """Fits mixes [n, groups] to their losses [n]; of the kinds, the one with the least leave-one-out error."""
    scores, wanted = {}, np.log(losses)
    for kind, model in _kinds().items():
        left_out = cross_val_predict(model, shares, wanted, cv=LeaveOneOut())
        spread = max(float(((wanted - wanted.mean()) ** 2).sum()), TINY)
        scores[kind] = {
            "r2": 1 - float(((wanted - left_out) ** 2).sum()) / spread,
            "spearman": _correlation(rankdata(wanted), rankdata(left_out)),
        }
    best = max(scores, key=lambda kind: scores[kind]["r2"])
    return Regression(best, clone(_kinds()[best]).fit(shares, wanted), scores)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), TINY))


def propose(space: Space, regression: Regression, seed: int) -> np.ndarray:
    """The mean of the best of many mixes, in whole parts of SHARE_STEPS that sum to 1.

    All are drawn as those that were tried: the regression knows nothing of mixes elsewhere. From the plan the proposal
    goes only as far as the regression explains the losses: nowhere, where its r2 is 0 or less.
    """
    drawn = np.stack([space.draw(seed, CANDIDATES, number) for number in range(CANDIDATES)])
    best = drawn[np.argsort(regression.losses(drawn), kind="stable")[:BEST]].mean(axis=0)
    return _rounded(space.plan + max(0.0, regression.scores[regression.kind]["r2"]) * (best - space.plan))


def _rounded(shares: np.ndarray) -> np.ndarray:
    """Whole parts of SHARE_STEPS whose sum is theirs (largest remainder)."""
    parts = shares * SHARE_STEPS
    whole = np.floor(parts)
    missing = SHARE_STEPS - int(whole.sum())
    whole[np.argsort(whole - parts, kind="stable")[:missing]] += 1
    return whole / SHARE_STEPS


def leaves_of(targets: Iterable[str], taxonomy: Taxonomy) -> dict[str, list[str]]:
    """The categories that each target stands for; a narrower name counts before a wider one."""
    assigned = assign(targets, taxonomy, "--target")
    found: dict[str, list[str]] = {name: [] for name in targets}
    for leaf, name in assigned.items():
        found[name].append(leaf)
    return found
