"""Existing layouts: a study laid out on the map of an earlier one, so that pictures of both compare cell by cell.

Taxa of the map stay: an image's pixel keeps its meaning, and a newcomer takes a free cell among its relatives.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.errors import InputError, examples

NEIGHBOURS = 5  # embedded neighbours that a newcomer is placed by
SAME = 1e-3  # share of a newcomer's typical distance below which a neighbour weighs no more


def read_existing(path: str | Path | None, grid: int) -> pd.DataFrame | None:
    """Read a layout (positions.tsv of an earlier study): index taxon; row, col, cells of a grid x grid map.

    None where the config names no file. Raises InputError for missing columns, cells that are no whole numbers or
    outside the grid, and taxa or cells that stand there twice.
    """
    if not path:
        return None
    frame = tables.read_tsv(path, "layout.existing")
    missing = [column for column in ("taxon", "row", "col") if column not in frame]
    if missing:
        raise InputError(
            f"layout.existing {path} lacks the columns {', '.join(missing)}: give results/layout/positions.tsv of the "
            "earlier study"
        )
    cells = frame.set_index("taxon")[["row", "col"]].apply(pd.to_numeric, errors="coerce")
    outside = ~((cells >= 0) & (cells < grid) & (cells % 1 == 0)).all(axis=1)
    if outside.any():
        row, col = frame.loc[outside.to_numpy(), ["row", "col"]].iloc[0]
        raise InputError(
            f"layout.existing {path}: {cells.index[outside][0]} has the cell {row!r}, {col!r}, which "
            f"layout.grid={grid} does not have: set the grid of the earlier study"
        )
    for what, twice in (("taxa", cells.index.duplicated()), ("cells", cells.duplicated().to_numpy())):
        if twice.any():
            raise InputError(
                f"layout.existing {path} gives {twice.sum()} {what} twice ({examples(cells.index[twice])}): "
                "give results/layout/positions.tsv of the earlier study as it was written"
            )
    return cells.astype(np.int64)


def keep_cells(taxa: list[str], distances: np.ndarray, existing: pd.DataFrame, grid: int) -> tuple[np.ndarray, dict]:
    """Cells [n, 2] of taxa: those that `existing` (`read_existing`) gives them, free ones beside their relatives else.

    distances [n, n] of the embedding. Cells of taxa that this study lacks stay empty. The figures say how many were
    kept, placed, and left empty. Raises InputError where no taxon is in the existing layout.
    """
    names = np.array(taxa)
    known = np.isin(names, existing.index)
    if not known.any():
        raise InputError(
            f"none of the {len(taxa):,} taxa of this study ({examples(taxa)}) is in layout.existing "
            f"({examples(existing.index)}): set it to null to lay them out anew"
        )
    cells = np.empty((len(taxa), 2), dtype=np.int64)
    cells[known] = existing.loc[names[known]].to_numpy()
    reserved = existing.drop(index=names[known]).to_numpy()
    cells[~known] = place_newcomers(distances[np.ix_(~known, known)], cells[known], grid, reserved=reserved)
    counts = {"kept": int(known.sum()), "placed": int((~known).sum()), "left_empty": len(reserved)}
    return cells, {"method": "existing"} | counts


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
