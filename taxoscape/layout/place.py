"""Placement: points of the plane by the method asked for, then distinct cells."""

import numpy as np
import pandas as pd

from taxoscape.errors import InputError
from taxoscape.layout import plane, snap
from taxoscape.layout.existing import keep_cells
from taxoscape.trees import TreeArrays, depths

EMPTY = 0.03  # share of the extent to which bands without taxa shrink
MARGIN = 0.04  # share of the grid left free along its border, so that nothing is flattened against it
GAP = 0.25  # share of the spacing of an evenly filled grid that taxa are pushed apart to; more costs neighbours


def lay_out(
    distances: np.ndarray,
    tree: TreeArrays,
    taxa: list[str],
    method: str,
    grid: int,
    perplexity: float,
    seed: int,
    ball: np.ndarray | None = None,
    existing: pd.DataFrame | None = None,
) -> tuple[np.ndarray, dict]:
    """Distinct cells [n, 2] (row, column) for taxa, how many shared one before, and how far they moved (cells).

    distances [n, n] of the embedding, in the order of `taxa`; all taxa are tips of the tree. `method`: tsne
    (perplexity, seed), circular and poincare (neither) or stereographic (`ball` [n, d], coordinates of the embedding).
    Raises InputError for another method. With an `existing` layout (layout.existing) its cells are kept instead.
    """
    if existing is not None:
        return keep_cells(taxa, distances, existing, grid)
    place = {name: index for index, name in enumerate(tree.tips)}
    order = np.array([place[taxon] for taxon in taxa])
    depth = depths(tree)[tree.tip_node[order]]
    if method == "tsne":
        points = plane.tsne(distances, perplexity, seed)
    elif method == "circular":
        points = plane.circular(order, depth)
    elif method == "poincare":
        points = plane.poincare(distances, order, depth)
    elif method == "stereographic":
        points = plane.stereographic(ball)
    else:
        raise InputError(f"layout.method={method} is unknown: choose tsne, circular, poincare or stereographic")
    fitted = snap.fit(snap.close_gaps(points, EMPTY), grid, max(1.0, MARGIN * grid))
    apart = snap.spread(fitted, grid, GAP * grid / np.sqrt(len(taxa)))
    cells = snap.snap(apart, grid)
    moved = np.linalg.norm(cells - fitted, axis=1)
    shared = len(taxa) - len(np.unique(fitted.round(), axis=0))
    return cells, {"shared_before_snapping": shared, "moved_mean": moved.mean(), "moved_max": moved.max()}
