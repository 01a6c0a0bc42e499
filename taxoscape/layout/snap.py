"""From points of the plane to cells of a grid: fitted to it, spread apart, then each given a cell of its own."""

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

SAME = 1e-12  # extent below which points are one
CANDIDATES = 64  # nearest cells considered for a point at first; doubled until everybody has a cell


def close_gaps(points: np.ndarray, widest: float) -> np.ndarray:
    """Shrink bands of the plane that no point [n, 2] enters, along both axes, to a share `widest` of the extent.

    Order along the axes stays, and so do distances within a cluster: only emptiness between clusters goes.
    """
    closed = np.empty_like(points)
    for axis in range(2):
        order = np.argsort(points[:, axis], kind="stable")
        gaps = np.diff(points[order, axis])
        allowed = widest * gaps.sum()
        closed[order, axis] = np.concatenate([[0.0], np.cumsum(np.minimum(gaps, allowed))])
    return closed


def fit(points: np.ndarray, side: int, margin: float) -> np.ndarray:
    """Stretch points [n, 2] along each axis to fill a square grid of `side` cells, `margin` cells from its border."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = high - low
    scale = np.where(extent > SAME, max(side - 1 - 2 * margin, 0) / np.maximum(extent, SAME), 0.0)
    return (points - (low + high) / 2) * scale + (side - 1) / 2


def spread(points: np.ndarray, side: int, gap: float, steps: int = 200) -> np.ndarray:
    """Push points [n, 2] of a grid apart until none are nearer than `gap` cells (or `steps` pushes are made).

    Each step moves every pair that is too close half of what it lacks, apart along its own line, and keeps
    points on the grid. Points that coincide part along angles of the golden section, so nothing is random.
    """
    turn = np.arange(len(points)) * np.pi * (3 - np.sqrt(5))
    points = points + 1e-6 * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    for _ in range(steps):
        pairs = cKDTree(points).query_pairs(gap, output_type="ndarray")
        if not len(pairs):
            break
        pairs = pairs[np.lexsort(pairs.T)]  # the tree's own order is not promised
        between = points[pairs[:, 0]] - points[pairs[:, 1]]
        distance = np.linalg.norm(between, axis=1, keepdims=True)
        push = between / np.maximum(distance, 1e-12) * (gap - distance) / 4
        np.add.at(points, pairs[:, 0], push)
        np.add.at(points, pairs[:, 1], -push)
        points = np.clip(points, 0, side - 1)
    return points


def snap(points: np.ndarray, side: int) -> np.ndarray:
    """Distinct cells [n, 2] (row, column; int64) for points [n, 2], at the least sum of squared distances.

    A minimum-weight matching of points to their nearest cells; the number of candidate cells of a point doubles until
    everybody has one. Raises ValueError for more points than cells.
    """
    points = np.asarray(points, dtype=np.float64)
    if len(points) > side * side:
        raise ValueError(f"{len(points)} points do not fit {side} x {side} cells")
    cells = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    tree, candidates = cKDTree(cells), CANDIDATES
    while True:
        candidates = min(candidates, side * side)
        matched = _match(points, cells, tree, candidates)
        if matched is not None:
            return cells[matched].astype(np.int64)
        candidates *= 2


def rescale(cells: np.ndarray, side: int, new_side: int) -> np.ndarray:
    """Distinct cells [n, 2] on a grid of new_side for cells [n, 2] on a grid of side, where they nearly were."""
    if side == new_side:
        return np.asarray(cells, dtype=np.int64)
    return snap((np.asarray(cells) + 0.5) * new_side / side - 0.5, new_side)


def _match(points: np.ndarray, cells: np.ndarray, tree: cKDTree, candidates: int) -> np.ndarray | None:
    """Cell of each point [n] among its nearest ones, or None when these are too few for all."""
    _, near = tree.query(points, k=candidates)
    near = near.reshape(len(points), candidates)
    cost = ((cells[near] - points[:, None, :]) ** 2).sum(axis=2) + 1.0  # a stored 0 would mean: no edge
    origin = np.repeat(np.arange(len(points)), candidates)
    graph = scipy.sparse.csr_matrix((cost.ravel(), (origin, near.ravel())), shape=(len(points), len(cells)))
    try:
        taken, given = min_weight_full_bipartite_matching(graph)
    except ValueError:  # no matching gives everybody a cell
        return None
    return given[np.argsort(taken)]
