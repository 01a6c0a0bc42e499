"""Newcomers: cells for taxa that an existing layout does not have, so that a trained model meets new data.

Nobody moves: an image's pixel keeps its meaning, and a newcomer takes a free cell among its relatives.
"""

import numpy as np

from taxoscape.errors import InputError

NEIGHBOURS = 5  # embedded neighbours that a newcomer is placed by
SAME = 1e-3  # share of a newcomer's typical distance below which a neighbour weighs no more


def place_newcomers(
    distances: np.ndarray,
    cells: np.ndarray,
    grid: int,
    neighbours: int = NEIGHBOURS,
    reserved: np.ndarray | None = None,
) -> np.ndarray:
    """Free cells [m, 2] of a grid x grid layout for m newcomers, distinct from each other and from `cells` [n, 2].

    `reserved` [k, 2] are further cells that are not free.

    distances [m, n] from newcomers to the taxa of the layout (of an embedding of both, or along a tree that holds
    both). Each takes the free cell with the least sum of distances on the map to the cells of its nearest
    `neighbours`, weighted by 1 / distance: the geometric median, which stays within the clade that most of them are
    of. Who has the nearest relative chooses first. Raises InputError when there are more newcomers than free cells.
    """
    distances, cells = np.asarray(distances, dtype=np.float64), np.asarray(cells, dtype=np.int64)
    free = np.ones((grid, grid), dtype=bool)
    for row, col in [cells.T] if reserved is None else [cells.T, np.asarray(reserved, dtype=np.int64).T]:
        free[row, col] = False
    if len(distances) > free.sum():
        raise InputError(
            f"{len(distances):,} new taxa do not fit the {free.sum():,} free cells of a layout of {grid} x {grid}: "
            "lay all taxa out anew with a larger layout.grid"
        )
    placed = np.empty((len(distances), 2), dtype=np.int64)
    for newcomer in np.argsort(distances.min(axis=1), kind="stable"):
        near = np.argsort(distances[newcomer], kind="stable")[:neighbours]
        away = distances[newcomer, near]
        weight = 1 / np.maximum(away, max(SAME * np.median(distances[newcomer]), np.finfo(float).tiny))
        open_cells = np.argwhere(free)
        reach = np.linalg.norm(open_cells[:, None, :] - cells[near][None, :, :], axis=2)  # [free, neighbours]
        placed[newcomer] = open_cells[(reach @ (weight / weight.sum())).argmin()]
        free[tuple(placed[newcomer])] = False
    return placed
