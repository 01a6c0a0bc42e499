"""Existing layouts: a study laid out on the map of an earlier one, so that pictures of both compare cell by cell."""

from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.errors import InputError, examples
from taxoscape.layout.newcomers import place_newcomers


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
