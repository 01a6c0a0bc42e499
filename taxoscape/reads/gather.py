"""The checks of all shards in one table, and the qualities of each run."""

import pandas as pd

from taxoscape import tables
from taxoscape.files import read_npz
from taxoscape.reads import quality


def samples(order: list[str], runs: list[str], files: list[str]) -> pd.DataFrame:
    """Rows of all shards in the order of the sheet: sample, run, pairs, lengths, distinct qualities."""
    frames = [tables.read_tsv(file, "checked reads").assign(run=run) for run, file in zip(runs, files, strict=True)]
    rows = pd.concat(frames).set_index("sample").loc[order].reset_index()
    return rows[["sample", "run", *rows.columns.drop(["sample", "run"])]]


def trimmed(order: list[str], files: list[str]) -> pd.DataFrame:
    """Rows of all shards in the order of the sheet: sample, and its reads of each fate."""
    frames = [tables.read_tsv(file, "trimmed reads") for file in files]
    return pd.concat(frames).set_index("sample").loc[order].reset_index()


def qualities(runs: list[str], files: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Histograms of all shards -> qualities by cycle (run, direction, cycle, mean, ...) and by score (.., bases)."""
    totals = {}
    for run, file in zip(runs, files, strict=True):
        for direction, histogram in read_npz(file).items():
            place = run, direction
            totals[place] = quality.add(totals.get(place, quality.EMPTY), histogram)
    by_score = _of_runs({place: quality.scores(counts) for place, counts in totals.items()})
    for place, count in by_score.groupby(["run", "direction"], sort=False).size().items():
        print(f"run {place[0]}, {place[1]}: {count} distinct qualities")
    return _of_runs({place: quality.profile(counts) for place, counts in totals.items()}), by_score


def _of_runs(frames: dict[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    columns = [frame.assign(run=run, direction=direction) for (run, direction), frame in frames.items()]
    together = pd.concat(columns, ignore_index=True)
    return together[["run", "direction", *together.columns.drop(["run", "direction"])]]
