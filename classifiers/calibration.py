"""How far to trust the category model: a factor on a text's logits, and what it confuses when shares are estimated.

Both come from pages whose sites a model did not see, and are kept in ``models/category_calibration.npz``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from classifiers.features import HashedTexts
from classifiers.model_file import read_model

INPUTS = ("one", "chinese", "known", "known_chinese", "log_features")
STEPS = 2  # of expectation maximisation: fewer leave the stated shares, more amplify noise in the confusions
STEPS_OF_DRAWS = (1, 2, 5, 30)  # in an interval, by turns: how much to correct is not known either
DRAWS = 200


@dataclass(frozen=True)
class Calibration:
    """``factor`` float32 [5] for the values named in ``INPUTS``; ``kinds`` [10, 10] and ``groups`` [20, 20]: the sum of
    the probabilities that pages of the row's kind (or group) were given for the column's."""

    factor: NDArray[np.float32]
    kinds: NDArray[np.float32]
    groups: NDArray[np.float32]


@cache
def load_calibration() -> Calibration:
    """That of the category model that ships with crawlmix. Raises UserError where its file is damaged."""
    return Calibration(**read_model("category_calibration"))


def measure_inputs(texts: HashedTexts) -> NDArray[np.float32]:
    """float32 [n, 5]: what tells of a text how much it is like the training data."""
    chinese = texts.chinese.astype(np.float32)
    size = np.log1p(np.diff(texts.indptr)).astype(np.float32)
    return np.stack([np.ones_like(chinese), chinese, texts.known, texts.known * chinese, size], axis=1)


def logit_factors(texts: HashedTexts, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [n, 1]: one temperature a text (Guo et al. 2017, https://arxiv.org/abs/1706.04599), from its inputs."""
    return np.exp(measure_inputs(texts) @ coefficients)[:, None]


def unmix(mass: NDArray[np.float64], confusions: NDArray[np.float64], steps: int = STEPS) -> NDArray[np.float64]:
    """The shares of classes that explain a mean of probabilities, given what pages of each class are given.

    Expectation maximisation for ``mass = shares @ rows`` (as Saerens et al. 2002 adjust priors, on the mean alone),
    where ``rows`` are ``confusions`` scaled to sum to 1; starts from the mass itself.
    """
    rows = confusions / confusions.sum(axis=1, keepdims=True)
    shares = mass.copy()
    for _ in range(steps):
        shares = shares * (rows @ (mass / np.maximum(shares @ rows, 1e-12)))
    return shares / shares.sum()


def draw_shares(mass: NDArray[np.float64], confusions: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 [200, classes]: shares by confusions that pages like those counted might have given (Dirichlet rows)."""
    random = np.random.default_rng(0)
    drawn = (random.standard_gamma(confusions + 1e-3) + 1e-9 for _ in range(DRAWS))
    return np.array(
        [unmix(mass, some, STEPS_OF_DRAWS[place % len(STEPS_OF_DRAWS)]) for place, some in enumerate(drawn)]
    )
