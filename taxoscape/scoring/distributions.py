"""Scores of forecasts that are distributions, given as equally likely values (draws or quantiles) [n, M]."""

import numpy as np

# Intervals that are judged, as shares of the probability.
INTERVALS = {"50": 0.5, "90": 0.9}


def crps(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score [n], in the unit of the truth: E|X - y| - E|X - X'| / 2.

    Gneiting and Raftery 2007, JASA 102:359, eq. 21. With sorted draws x, E|X - X'| / 2 is
    sum_i (2 i - M - 1) x_i / M^2.
    """
    count = draws.shape[1]
    order = np.sort(draws, axis=1)
    weight = (2 * np.arange(1, count + 1) - count - 1) / count**2
    return np.abs(order - truth[:, None]).mean(axis=1) - order @ weight


def interval(draws: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges [n] of the central interval that holds a share of the draws."""
    low, high = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2], axis=1)
    return low, high


def inside(truth: np.ndarray, draws: np.ndarray, share: float) -> np.ndarray:
    """Whether each truth [n] lies in the central interval, its edges included."""
    low, high = interval(draws, share)
    return (truth >= low) & (truth <= high)


def transform(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Probability integral transform [n]: the share of draws below the truth, half of those at it included."""
    below = (draws < truth[:, None]).mean(axis=1)
    return below + (draws == truth[:, None]).mean(axis=1) / 2


def midlevels(count: int) -> np.ndarray:
    """Levels (k + 1/2) / M [M] of quantiles that stand for equally likely values."""
    return (np.arange(count) + 0.5) / count
