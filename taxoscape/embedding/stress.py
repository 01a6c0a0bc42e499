"""Weighted stress and its gradient in one pass over the pairs.

f = sum over pairs w (d_ij - t_ij)^2, t = target distance; w = 1/t^2 makes it the relative stress. half = sinh^2(d/2):
  hyperbolic (polar):  half = sinh^2((r_i - r_j)/2) + sinh r_i sinh r_j |u_i - u_j|^2 / 4
  Euclidean:           d = |x_i - x_j|
The points are dealt to a fixed number of shares, each with a gradient of its own, added up in order: the same bits
on one thread and on many. No fastmath: with it numba's freshly compiled code and its cached code gave other last bits.
"""

import numba
import numpy as np

from taxoscape.compiled import compiled

SHARES = 8  # also the most threads that can help
TINY = 1e-300  # keeps the slope finite where two points fall together


def hyperbolic_stress(radius, direction, start, second, target, weight):
    """Value, gradient by radius [n] and by direction [n, d] (not projected) of the stress."""
    gradient = np.zeros((SHARES, len(radius), direction.shape[1] + 1))
    values = _hyperbolic(radius, direction, start, second, target, weight, gradient)
    total = in_order(gradient)
    return in_order(values[:, None])[0], total[:, 0], total[:, 1:]


def euclidean_stress(position, start, second, target, weight):
    """Value and gradient by position [n, d] of the stress."""
    gradient = np.zeros((SHARES, *position.shape))
    values = _euclidean(position, start, second, target, weight, gradient)
    return in_order(values[:, None])[0], in_order(gradient)


def in_order(shares: np.ndarray) -> np.ndarray:
    """Sum over the first axis, first to last."""
    total = shares[0].copy()
    for share in shares[1:]:
        total += share
    return total


@compiled()
def squared_distance(points, i, j):
    """|x_i - x_j|^2 of points [n, d], in four lanes that a processor can add at once."""
    dim = points.shape[1]
    a, b, c, e = 0.0, 0.0, 0.0, 0.0
    whole = dim - dim % 4
    for k in range(0, whole, 4):
        a += (points[i, k] - points[j, k]) ** 2
        b += (points[i, k + 1] - points[j, k + 1]) ** 2
        c += (points[i, k + 2] - points[j, k + 2]) ** 2
        e += (points[i, k + 3] - points[j, k + 3]) ** 2
    for k in range(whole, dim):
        a += (points[i, k] - points[j, k]) ** 2
    return (a + b) + (c + e)


@compiled(parallel=True)
def _hyperbolic(radius, direction, start, second, target, weight, gradient):
    n, dim = direction.shape
    up, down = np.exp(radius / 2), np.exp(-radius / 2)
    sinh, cosh = np.sinh(radius), np.cosh(radius)
    values = np.zeros(SHARES)
    for share in numba.prange(SHARES):
        mine = gradient[share]
        value = 0.0
        for i in range(share, n, SHARES):
            for at in range(start[i], start[i + 1]):
                j = second[at]
                chord = squared_distance(direction, i, j)
                sinh_half = (up[i] * down[j] - down[i] * up[j]) / 2
                cosh_half = (up[i] * down[j] + down[i] * up[j]) / 2
                product = sinh[i] * sinh[j]
                half = sinh_half * sinh_half + product * chord / 4 + TINY
                root, one = np.sqrt(half), np.sqrt(1 + half)
                error = 2 * np.log1p(root + half / (1 + one)) - target[at]  # asinh(root), exact when small
                value += weight[at] * error * error
                slope = 2 * weight[at] * error / (root * one)
                mine[i, 0] += slope * (sinh_half * cosh_half + cosh[i] * sinh[j] * chord / 4)
                mine[j, 0] += slope * (-sinh_half * cosh_half + sinh[i] * cosh[j] * chord / 4)
                turn = slope * product / 2
                for k in range(dim):
                    step = turn * (direction[i, k] - direction[j, k])
                    mine[i, k + 1] += step
                    mine[j, k + 1] -= step
        values[share] = value
    return values


@compiled(parallel=True)
def _euclidean(position, start, second, target, weight, gradient):
    n, dim = position.shape
    values = np.zeros(SHARES)
    for share in numba.prange(SHARES):
        mine = gradient[share]
        value = 0.0
        for i in range(share, n, SHARES):
            for at in range(start[i], start[i + 1]):
                j = second[at]
                distance = np.sqrt(squared_distance(position, i, j) + TINY)
                error = distance - target[at]
                value += weight[at] * error * error
                slope = 2 * weight[at] * error / distance
                for k in range(dim):
                    step = slope * (position[i, k] - position[j, k])
                    mine[i, k] += step
                    mine[j, k] -= step
        values[share] = value
    return values
