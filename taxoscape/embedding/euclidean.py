"""The Euclidean baseline: the same relative stress, pairs and optimizer in flat space of the same dimension."""

from collections.abc import Callable

import numpy as np

from taxoscape.embedding.fit import CHART, FIRST_CHART, FLOORS, GAIN, PERFECT, converged
from taxoscape.embedding.lbfgs import minimize
from taxoscape.embedding.pairs import Pairs
from taxoscape.embedding.stress import euclidean_stress


def fit_euclidean(
    position: np.ndarray, draw: Callable[[int], Pairs], scale: float, iterations: int
) -> tuple[np.ndarray, int]:
    """Move points [n, d] to distances equal to the path lengths; returns the points and the iterations used.

    `scale` only turns the floors of the hyperbolic fit into lengths, so that both minimize the same sum.
    """
    used, chart, last = 0, 0, np.inf
    while used < iterations:
        pairs, floor = draw(chart), FLOORS[min(chart, len(FLOORS) - 1)] / scale
        weight = pairs.weight / np.maximum(pairs.length, floor) ** 2
        steps = min(CHART if chart else FIRST_CHART, iterations - used)
        position, value, taken = descend(position, pairs, weight, steps)
        used, chart = used + taken, chart + 1
        if converged(chart, value, pairs, floor, taken < steps or last - value < GAIN * last):
            break
        last = value
    return position, used


def descend(position: np.ndarray, pairs: Pairs, weight: np.ndarray, iterations: int) -> tuple[np.ndarray, float, int]:
    """Run L-BFGS on the stress of positions [n, d]; returns positions, stress and the iterations used."""

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = euclidean_stress(x.reshape(position.shape), pairs.start, pairs.second, pairs.length, weight)
        return value, gradient.ravel()

    first_step = 0.01 * np.sqrt((position**2).sum())
    x, value, used = minimize(objective, position.ravel(), iterations, first_step, PERFECT * pairs.weight.sum(), GAIN)
    return x.reshape(position.shape), value, used
