"""Quality: how well distances in an embedding stand for path lengths in the tree."""

from collections.abc import Callable

import numpy as np
from scipy.stats import spearmanr

from taxoscape.embedding.geometry import ball_distance
from taxoscape.embedding.points import Points, path_lengths

PAIRS = 500_000  # compared one by one; more are sampled
TIPS = 500  # whose nearest neighbours are looked up
NEIGHBOURS = 10
SAME = 1e-9  # relative difference below which values are equal: ties of path lengths are equally near


def sampled_pairs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs i < j of n points: all where there are at most PAIRS, else PAIRS of them, with replacement."""
    if n * (n - 1) // 2 <= PAIRS:
        return np.triu_indices(n, 1)
    generator = np.random.default_rng(seed)
    first = generator.integers(0, n, PAIRS)
    second = (first + generator.integers(1, n, PAIRS)) % n
    return np.minimum(first, second), np.maximum(first, second)


def distance_quality(length: np.ndarray, distance: np.ndarray) -> dict[str, float]:
    """Compare distances with path lengths [P], both in substitutions/site.

    mean_error is the mean absolute error as a share of the mean length; within_10 and within_5 are the shares of
    pairs whose relative error is at most 10 % and 5 %; worst_ratio is the largest factor between the two.
    Correlations of fewer than two different lengths are NaN.
    """
    error = np.abs(distance - length)
    pearson = correlation(length, distance)
    ratio = np.maximum(distance, length) / np.maximum(np.minimum(distance, length), np.finfo(float).tiny)
    return {
        "pearson": pearson,
        "spearman": float(spearmanr(length, distance).statistic) if np.isfinite(pearson) else np.nan,
        "mean_error": float(error.mean() / length.mean()),
        "within_10": float((error <= 0.10 * length).mean()),
        "within_5": float((error <= 0.05 * length).mean()),
        "mean_relative_error": float((error / length).mean()),
        "worst_ratio": float(ratio.max()),
    }


def neighbour_recall(points: Points, distances_from: Callable[[int], np.ndarray], seed: int) -> float:
    """Share of the 10 nearest points in the embedding that are among the 10 nearest in the tree, ties allowed.

    `distances_from(i)` gives the embedded distances [n] from point i. Averaged over TIPS points at most.
    """
    n = len(points.node)
    k = min(NEIGHBOURS, n - 1)
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:TIPS])
    return float(np.mean([_recall(points, int(i), distances_from(int(i)), k) for i in chosen]))


def _recall(points: Points, i: int, distance: np.ndarray, k: int) -> float:
    others = np.delete(np.arange(len(distance)), i)
    length = path_lengths(points, np.minimum(others, i), np.maximum(others, i))
    nearest = np.argsort(distance[others], kind="stable")[:k]
    return float((length[nearest] <= np.partition(length, k - 1)[k - 1] * (1 + SAME)).mean())


def saturated_pairs(distance: np.ndarray, z1: np.ndarray, z2: np.ndarray) -> int:
    """Number of pairs whose float64 ball coordinates z [P, d] no longer give their distance [P] (1 % off)."""
    return int((~(np.abs(ball_distance(z1, z2) - distance) <= 0.01 * distance)).sum())


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of a and b [P]; NaN where either does not vary."""
    varied = all(np.ptp(values) > SAME * np.abs(values).max() for values in (a, b))
    return float(np.corrcoef(a, b)[0, 1]) if varied else np.nan
