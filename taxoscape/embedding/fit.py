"""Fit: polar coordinates with the least relative stress, by L-BFGS in charts that are renewed as the points move.

In the chart at (r0, u0) a point has the coordinates (r, w): u = (u0 + w / sinh r0) / |u0 + w / sinh r0|. A step in
w is as long in hyperbolic terms as one in r, at any radius: the optimizer sees a well-scaled problem. Far from u0
the scaling drifts; a new chart at the present points mends it.

The Euclidean baseline has the same relative stress, pairs and optimizer in flat space of the same dimension.
"""

from collections.abc import Callable

import numpy as np

from taxoscape.embedding.lbfgs import minimize
from taxoscape.embedding.pairs import Pairs
from taxoscape.embedding.stress import euclidean_stress, hyperbolic_stress

# Iterations between charts; each forgets the curvature the last has learnt, so a first one that is short costs more.
# Those after it start near the optimum.
FIRST_CHART, CHART = 200, 100
# Lengths below the floor (hyperbolic units) of their chart count with their absolute error. A pair at 1e-5 of the
# height has a relative error of thousands at the start and makes the problem stiff. The last floor is 0.04 % of the
# height at R = 7.
FLOORS = (0.1, 0.02, 0.003)
GAIN = 0.04  # share of the stress that 50 iterations, or a chart after another, must win
PERFECT = 1e-12  # mean squared relative error with nothing left to gain
SMALLEST_SINH = 1e-2  # points at the centre have no angular scale of their own


def fit(
    radius: np.ndarray, direction: np.ndarray, draw: Callable[[int], Pairs], scale: float, iterations: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Move points (radius [n], direction [n, d]) to distances scale x path length.

    `draw(k)` gives the pairs that chart k compares. Returns radius, direction and the iterations used.
    """
    used, chart, last = 0, 0, np.inf
    while used < iterations:
        pairs, floor = draw(chart), FLOORS[min(chart, len(FLOORS) - 1)]
        length = scale * pairs.length
        weight = pairs.weight / np.maximum(length, floor) ** 2
        steps = min(CHART if chart else FIRST_CHART, iterations - used)
        radius, direction, value, taken = fit_chart(radius, direction, pairs, length, weight, steps)
        used, chart = used + taken, chart + 1
        print(f"iteration {used}: relative error {np.sqrt(value / pairs.weight.sum()):.5f} (root mean square)")
        if converged(chart, value, pairs, floor / scale, taken < steps or last - value < GAIN * last):
            break
        last = value if floor == FLOORS[-1] else np.inf  # at another floor it is another stress
    return radius, direction, used


def converged(charts: int, value: float, pairs: Pairs, floor: float, stalled: bool) -> bool:
    """Whether nothing is left to gain: a perfect fit, or one that `stalled` where no lower floor changes a weight."""
    lowest = charts >= len(FLOORS) or not (pairs.length < floor).any()
    return value <= PERFECT * pairs.weight.sum() or (lowest and stalled)


def fit_chart(
    radius: np.ndarray, direction: np.ndarray, pairs: Pairs, length: np.ndarray, weight: np.ndarray, iterations: int
) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Run L-BFGS in the chart at (radius [n], direction [n, d]) towards distances `length` [P].

    Adds the stress and the iterations used.
    """
    sinh = np.maximum(np.sinh(radius), SMALLEST_SINH)[:, None]
    shape = (len(radius), direction.shape[1] + 1)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        return chart_stress(x.reshape(shape), direction, sinh, pairs, length, weight)

    x = np.column_stack([radius, np.zeros_like(direction)]).ravel()
    first_step = 0.01 * np.sqrt(len(radius))
    x, value, used = minimize(objective, x, iterations, first_step, PERFECT * pairs.weight.sum(), GAIN)
    moved, _ = on_sphere(x.reshape(shape)[:, 1:], direction, sinh)
    radius = x.reshape(shape)[:, 0]
    outward = np.where(radius < 0, -1.0, 1.0)  # (-r, u) is the point (r, -u)
    return radius * outward, moved * outward[:, None], value, used


def chart_stress(
    x: np.ndarray, direction: np.ndarray, sinh: np.ndarray, pairs: Pairs, length: np.ndarray, weight: np.ndarray
) -> tuple[float, np.ndarray]:
    """Stress and its gradient, flat, by the chart coordinates x [n, 1 + d] = (r, w)."""
    radius = np.ascontiguousarray(x[:, 0])
    moved, norm = on_sphere(x[:, 1:], direction, sinh)
    value, by_radius, by_direction = hyperbolic_stress(radius, moved, pairs.start, pairs.second, length, weight)
    along = (by_direction * moved).sum(axis=1, keepdims=True)
    by_step = (by_direction - along * moved) / (norm * sinh)
    return value, np.column_stack([by_radius, by_step]).ravel()


def on_sphere(step: np.ndarray, direction: np.ndarray, sinh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direction [n, d] reached by chart step w [n, d], and the length [n, 1] it was divided by."""
    raw = direction + step / sinh
    norm = np.sqrt((raw**2).sum(axis=1, keepdims=True))
    return raw / norm, norm


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
