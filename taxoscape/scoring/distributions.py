"""Scores of predicted distributions, given as M equally likely values (draws or quantiles) along one axis."""

import numpy as np

# Central intervals that are judged, as shares of the probability.
INTERVALS = {"coverage_50": 0.5, "coverage_90": 0.9}


def crps(truth: np.ndarray, draws: np.ndarray, axis: int = 1) -> np.ndarray:
    """Continuous ranked probability score [n, ...] of truths [n, ...], in their unit: E|X - y| - E|X - X'| / 2.

    Gneiting and Raftery 2007, JASA 102:359, eq. 21, of the distribution that gives each of the M draws along `axis`
    the probability 1 / M. With sorted draws x, E|X - X'| / 2 is sum_i (2 i - M - 1) x_i / M^2.
    """
    order = np.sort(draws, axis=axis)
    count = draws.shape[axis]
    weight = (2 * np.arange(1, count + 1) - count - 1) / count**2
    distance = np.abs(order - np.expand_dims(truth, axis)).mean(axis=axis)
    return distance - np.tensordot(order, weight, axes=(axis, 0))


def central_interval(draws: np.ndarray, share: float, axis: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the central interval that holds a share of the draws along `axis`."""
    low, high = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2], axis=axis)
    return low, high


def inside(truth: np.ndarray, draws: np.ndarray, share: float, axis: int = 1) -> np.ndarray:
    """Whether each truth lies in the central interval of its draws, the ends included."""
    low, high = central_interval(draws, share, axis)
    return (truth >= low) & (truth <= high)


def pinball(truth: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantile loss [n, Q] of predicted quantiles [n, Q]: max(q (y - x), (q - 1) (y - x)) (Koenker 1978)."""
    error = truth[:, None] - quantiles
    return np.maximum(levels * error, (levels - 1) * error)


def transform(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Probability integral transform [n]: the share of draws [n, M] below the truth, half of those equal to it."""
    below = (draws < truth[:, None]).mean(axis=1)
    return below + (draws == truth[:, None]).mean(axis=1) / 2


def midlevels(count: int) -> np.ndarray:
    """Levels (k + 1/2) / M [M] of quantiles that represent equally likely values."""
    return (np.arange(count) + 0.5) / count
