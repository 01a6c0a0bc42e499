"""L-BFGS: quasi-Newton descent with a short memory (Nocedal & Wright 2006, algorithm 7.5) and a weak Wolfe search.

Written out because the library ones add up dot products in an order that depends on the number of threads.
"""

from collections.abc import Callable

import numpy as np

from taxoscape.compiled import compiled

MEMORY = 24  # pairs of steps and gradient changes
DECREASE, CURVATURE = 1e-4, 0.9  # constants of the Wolfe conditions
TRIALS = 30  # of one line search
ROUNDING = 1e-13  # relative gain of a step below which only rounding is left
WINDOW = 50  # iterations over which `gain` is asked for


def minimize(
    objective: Callable, x: np.ndarray, iterations: int, first_step: float, enough: float = 0.0, gain: float = 0.0
) -> tuple[np.ndarray, float, int]:
    """Minimize objective(x [N]) -> (value, gradient [N]); returns the point, the value and the iterations used.

    The first step has length `first_step`. Stops early at a value of `enough`, where no step lowers it any more, or
    where WINDOW iterations have lowered it by less than the share `gain`.
    """
    value, gradient = objective(x)
    memory: list[tuple[np.ndarray, np.ndarray, float]] = []
    before = np.inf
    for used in range(iterations):
        slope_length = np.sqrt(dot(gradient, gradient))
        if value <= enough or slope_length == 0.0:
            return x, value, used
        if gain and used % WINDOW == 0:
            if before - value < gain * before:
                return x, value, used
            before = value
        step = -two_loop(gradient, memory) if memory else gradient * (-first_step / slope_length)
        found = line_search(objective, x, value, dot(gradient, step), step)
        if found is None and not memory:
            return x, value, used
        if found is None:  # a stale memory points uphill: forget it and try once along the gradient
            memory = []
            continue
        length, new_value, new_gradient = found
        change, bend = length * step, new_gradient - gradient
        x = x + change
        if dot(change, bend) > 0:
            memory = [*memory[-MEMORY + 1 :], (change, bend, 1 / dot(change, bend))]
        gained, value, gradient = value - new_value, new_value, new_gradient
        if gained <= ROUNDING * value:
            return x, value, used + 1
    return x, value, iterations


def two_loop(gradient: np.ndarray, memory: list[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """Inverse Hessian of the memory (change, bend, 1 / change . bend) times the gradient [N]."""
    direction, shares = gradient.copy(), []
    for change, bend, inverse in reversed(memory):
        share = inverse * dot(change, direction)
        direction -= share * bend
        shares.append(share)
    _, bend, inverse = memory[-1]
    direction /= inverse * dot(bend, bend)
    for (change, bend, inverse), share in zip(memory, reversed(shares), strict=True):
        direction += (share - inverse * dot(bend, direction)) * change
    return direction


def line_search(objective: Callable, x: np.ndarray, value: float, slope: float, step: np.ndarray):
    """Find a step length by bisection under the weak Wolfe conditions (Lewis & Overton 2013).

    Returns (length, value, gradient), or None where no trial lowers the value enough.
    """
    low, high, length, best = 0.0, np.inf, 1.0, None
    if not slope < 0:
        return None
    for _ in range(TRIALS):
        new_value, new_gradient = objective(x + length * step)
        if not new_value <= value + DECREASE * length * slope:  # also when not finite
            high = length
        else:
            best = (length, new_value, new_gradient)
            if dot(new_gradient, step) >= CURVATURE * slope:
                return best
            low = length
        length = 2 * low if np.isinf(high) else (low + high) / 2
    return best


@compiled()
def dot(a, b):
    """Sum of products, in one order."""
    total = 0.0
    for k in range(len(a)):
        total += a[k] * b[k]
    return total
