"""Distances between embedded taxa, in substitutions per site."""

import numpy as np
from scipy.spatial.distance import cdist


def hyperbolic(radius: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Distances [n, n] in the hyperbolic space of curvature -1 between points in polar coordinates.

    radius [n], direction [n, d] (unit). d = 2 asinh sqrt(sinh^2((r1 - r2) / 2) + sinh r1 sinh r2 |u1 - u2|^2 / 4),
    which stays accurate where points in the ball run into its border.
    """
    # Not 2 - 2 u1.u2: sinh r1 sinh r2 would blow its rounding error up.
    chord = cdist(direction, direction, "sqeuclidean")
    growth = np.sinh(radius)
    inner = np.sinh((radius[:, None] - radius[None, :]) / 2) ** 2 + growth[:, None] * growth[None, :] * chord / 4
    return 2 * np.arcsinh(np.sqrt(inner))


def tips_of(poincare: dict[str, np.ndarray], taxa: list[str]) -> np.ndarray:
    """Places [n] of taxa among the tips of an embedding (embedding/poincare.npz)."""
    place = {name: index for index, name in enumerate(poincare["tips"])}
    return np.array([place[taxon] for taxon in taxa])


def embedded_distances(poincare: dict[str, np.ndarray], taxa: list[str]) -> np.ndarray:
    """Distances [n, n] in substitutions/site (d_H / scale) between `taxa` of an embedding (embedding/poincare.npz)."""
    chosen = tips_of(poincare, taxa)
    return hyperbolic(poincare["radius"][chosen], poincare["direction"][chosen]) / float(poincare["scale"])
