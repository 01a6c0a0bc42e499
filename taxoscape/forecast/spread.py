"""What held-out subjects teach about draws: how far they lie from their median, and what their mean is worth.

Spread: the conformal score of an observation is its distance from the median of its draws, in units of the distance
of the interval's end on that side (split conformal prediction: Romano, Patterson and Candes 2019, arXiv:1905.03222).
The 50 % quantile of the scores of the 50 % interval scales draws near the median, the 90 % quantile of those of the
90 % interval draws far from it, with a straight line in between; next samples have factors of their own.

Blend: the point forecast is the anchor's plus a share of what the draws add to it: for log-ratios (mean of the draws)
the one with the least squared error, for shares (median of the draws) the one with the least Bray-Curtis error.
"""

from dataclasses import dataclass

import numpy as np

from taxoscape.scoring.distributions import central_interval

LEVELS = (0.5, 0.9)
# Widths of intervals below it count as this wide.
NARROW = 1e-6
# Shares of the draws in the point forecast that are tried.
BLENDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Spread:
    """Factors at the levels 0.5 and 0.9 for later samples (row 0) and next ones (row 1); blend of values and shares."""

    factors: np.ndarray  # [2, 2]
    anchor_factors: np.ndarray  # [2, 2] of the anchor with Gaussian scatter in place of the network's
    blend: np.ndarray  # [2]


UNSCALED = np.ones((2, 2))  # factors that leave draws as they are


def scores(drawn: np.ndarray, observed: np.ndarray, level: float) -> np.ndarray:
    """Conformal scores [P, D] of observations [P, D] against draws [P, S, D]; at most 1 = inside the interval."""
    low, high = central_interval(drawn, level, axis=-2)
    middle = np.median(drawn, axis=-2)
    width = np.where(observed > middle, high - middle, middle - low)
    return np.abs(observed - middle) / np.maximum(width, NARROW)


def fit_factors(drawn: np.ndarray, observed: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Factors [2, 2] that make the intervals of draws [P, S, D] hold the right share of observations [P, D].

    A kind of which there is no task (`first` [P]) takes the factors of all tasks.
    """
    found = []
    for kind in (False, True):
        rows = np.flatnonzero(first == kind)
        rows = rows if len(rows) else np.arange(len(first))
        found.append([np.quantile(scores(drawn[rows], observed[rows], level), level) for level in LEVELS])
    return np.array(found)


def fit_blend(start: np.ndarray, end: np.ndarray, observed: np.ndarray, power: int) -> float:
    """Weight w among BLENDS with the least sum of |observed - start - w (end - start)|^power; the least of equals."""
    errors = [(np.abs(observed - start - weight * (end - start)) ** power).sum() for weight in BLENDS]
    return BLENDS[int(np.argmin(errors))]


def apply(drawn: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Scale the distance of draws [P, S, D] from their median, by their rank among them; factors [P, 2]."""
    middle = np.median(drawn, axis=-2, keepdims=True)
    rank = drawn.argsort(axis=-2).argsort(axis=-2)
    level = np.abs(2 * rank / max(drawn.shape[-2] - 1, 1) - 1)
    place = np.clip((level - LEVELS[0]) / (LEVELS[1] - LEVELS[0]), 0.0, 1.0)
    near, far = factors[:, 0, None, None], factors[:, 1, None, None]
    return middle + (drawn - middle) * (near + place * (far - near))
