"""Gaussian copula with zero inflation, given conditions: the baseline, and a generator in its own right.

Each taxon's dequantised counts become normal scores by their ranks; the scores are linear in the conditions (ridge)
plus a Gaussian with the shrunk covariance of the residuals. Sampled scores go back through the training quantiles:
a score below the share of zeros is a zero, so that every marginal, zeros included, is that of the training samples.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.covariance import ledoit_wolf

from taxoscape.diffusion.dequantise import dequantise

# Penalty of the ridge on conditions, in samples: weak, there are few conditions.
RIDGE = 1.0
# Dequantised copies, so that ties among zeros are broken in more than one way.
COPIES = 4


@dataclass(frozen=True)
class Copula:
    """Coefficients [1 + K, D], factor [D, D] of the residual covariance, sorted dequantised counts [N, D]."""

    coefficients: np.ndarray
    factor: np.ndarray
    marginals: np.ndarray


def fit(counts: np.ndarray, features: np.ndarray, rng: np.random.Generator) -> Copula:
    """Fit to training counts [N, D] and condition features [N, K] (K may be 0)."""
    amounts = dequantise(np.tile(counts, (COPIES, 1)), rng)
    ranks = stats.rankdata(amounts, axis=0)
    scores = stats.norm.ppf((ranks - 0.5) / len(amounts))
    design = _design(np.tile(features, (COPIES, 1)))
    penalty = np.diag([0.0] + [RIDGE * COPIES] * features.shape[1])
    coefficients = np.linalg.solve(design.T @ design + penalty, design.T @ scores)
    residuals = (scores - design @ coefficients).reshape(COPIES, *counts.shape)
    # Shrunk copy by copy: stacked, K copies of N samples would pass for K N samples and be shrunk too little.
    covariance = np.mean([ledoit_wolf(copy)[0] for copy in residuals], axis=0)
    variances, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(variances, 0.0)) @ vectors.T
    return Copula(coefficients, factor, np.sort(amounts, axis=0))


def sample(copula: Copula, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw amounts [M, D] (dequantised reads) at condition features [M, K]."""
    noise = rng.standard_normal((len(features), len(copula.factor)))
    levels = stats.norm.cdf(_design(features) @ copula.coefficients + noise @ copula.factor)
    places = np.minimum((levels * len(copula.marginals)).astype(int), len(copula.marginals) - 1)
    return np.take_along_axis(copula.marginals, places, axis=0)


def condition_features(values: np.ndarray, missing: np.ndarray, categories: list[int]) -> np.ndarray:
    """Encoded conditions [N, F] as plain features [N, K]: number or one-hot, 0 where missing, and a missing flag."""
    parts = [np.zeros((len(values), 0))]
    for field, number in enumerate(categories):
        known = ~missing[:, field]
        column = np.where(known, values[:, field], 0.0)
        shown = (column[:, None] == np.arange(number)) if number else column[:, None]
        parts += [shown * known[:, None], missing[:, field, None].astype(float)]
    return np.concatenate(parts, axis=1)


def _design(features: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)
