"""The Poincare ball of curvature -1 in polar coordinates: radius r (hyperbolic distance to the centre), direction u.

Ball coordinates z = tanh(r/2) u lose all precision near the border (geoopt 0.5.1 saturates at distance 16.8 in
float64); polar ones do not. The hyperbolic law of cosines (Cannon et al. 1997, Hyperbolic Geometry),
cosh d = cosh r1 cosh r2 - sinh r1 sinh r2 cos a, is written here with half angles, so that small distances between
deep points do not cancel.
"""

import numpy as np
from scipy.spatial.distance import cdist


def polar_distance(
    radius1: np.ndarray, direction1: np.ndarray, radius2: np.ndarray, direction2: np.ndarray
) -> np.ndarray:
    """Distance [P] between points (radius [P], direction [P, d] of length 1).

    d = 2 asinh sqrt(sinh^2((r1 - r2)/2) + sinh r1 sinh r2 |u1 - u2|^2 / 4)
    """
    return _across(radius1, radius2, ((direction1 - direction2) ** 2).sum(axis=-1))


def hyperbolic(radius: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Distances [n, n] between points (radius [n], direction [n, d] of length 1)."""
    # Not 2 - 2 u1.u2: sinh r1 sinh r2 would blow its rounding error up.
    return _across(radius[:, None], radius[None, :], cdist(direction, direction, "sqeuclidean"))


def _across(radius1: np.ndarray, radius2: np.ndarray, chord: np.ndarray) -> np.ndarray:
    half = np.sinh((radius1 - radius2) / 2) ** 2 + np.sinh(radius1) * np.sinh(radius2) * chord / 4
    return 2 * np.arcsinh(np.sqrt(half))


def tips_of(poincare: dict[str, np.ndarray], taxa: list[str]) -> np.ndarray:
    """Places [n] of taxa among the tips of an embedding (embedding/poincare.npz)."""
    place = {name: index for index, name in enumerate(poincare["tips"])}
    return np.array([place[taxon] for taxon in taxa])


def embedded_distances(poincare: dict[str, np.ndarray], taxa: list[str]) -> np.ndarray:
    """Distances [n, n] in substitutions/site (d_H / scale) between `taxa` of an embedding (embedding/poincare.npz)."""
    chosen = tips_of(poincare, taxa)
    return hyperbolic(poincare["radius"][chosen], poincare["direction"][chosen]) / float(poincare["scale"])


def to_ball(radius: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Ball coordinates z = tanh(r/2) u [n, d]."""
    return np.tanh(radius / 2)[:, None] * direction


def ball_distance(z1: np.ndarray, z2: np.ndarray) -> np.ndarray:
    """Distance [P] = arccosh(1 + 2 |z1 - z2|^2 / ((1 - |z1|^2)(1 - |z2|^2))) between ball coordinates [P, d].

    Infinite or NaN where a coordinate has reached the border in floating point.
    """
    chord, inside = ((z1 - z2) ** 2).sum(axis=1), (1 - (z1**2).sum(axis=1)) * (1 - (z2**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.arccosh(1 + 2 * chord / inside)


def from_ball(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radius [n] = 2 atanh |z| and direction [n, d] of ball coordinates z [n, d]; the centre looks along axis 1."""
    norm = np.linalg.norm(z, axis=1)
    direction = np.where(norm[:, None] > 0, z / np.where(norm > 0, norm, 1.0)[:, None], np.eye(1, z.shape[1]))
    return 2 * np.arctanh(norm), direction
