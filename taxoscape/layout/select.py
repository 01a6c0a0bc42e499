"""Taxa of the landscape: those of the tree that enough training samples hold."""

import math

import numpy as np
import pandas as pd

from taxoscape.errors import InputError

OCCUPANCY = 1 / 1.5  # share of the cells that taxa may fill; fuller maps cannot keep neighbours together


def select_taxa(
    counts: np.ndarray,
    samples: list[str],
    taxa: list[str],
    splits: pd.DataFrame,
    tips: set[str],
    prevalence: float,
    grid: int,
) -> pd.DataFrame:
    """Retained taxa in the order of the table: taxon, prevalence (0-1), reads_share (0-1, of the training reads).

    counts [samples, taxa]; `splits` has sample, split; only samples of split `train` count, so that nothing is
    learned from the others. Raises InputError when there is no training sample, when fewer than two taxa stay or
    when there are more than the grid of grid x grid cells has room for.
    """
    training = set(splits.loc[splits["split"] == "train", "sample"])
    known = counts[[sample in training for sample in samples]]
    if not len(known):
        raise InputError("no sample of the rarefied table is a training sample: look at results/metadata/splits.tsv")
    frame = pd.DataFrame(
        {"taxon": taxa, "prevalence": (known > 0).mean(axis=0), "reads_share": known.sum(axis=0) / known.sum()}
    )
    in_tree = frame["taxon"].isin(tips)
    kept = frame[in_tree & (frame["prevalence"] >= prevalence) & (frame["prevalence"] > 0)]
    if len(kept) < 2:
        raise InputError(
            f"layout.prevalence={prevalence} keeps {len(kept)} of {len(taxa)} taxa ({in_tree.sum()} are in the tree, "
            f"the most prevalent is in {frame.loc[in_tree, 'prevalence'].max():.0%} of {len(known)} training samples): "
            "lower layout.prevalence in the config"
        )
    check_room(len(kept), grid, "layout.grid", kept["prevalence"].to_numpy())
    return kept.reset_index(drop=True)


def check_room(taxa: int, side: int, option: str, prevalence: np.ndarray | None = None) -> None:
    """Raise InputError when side x side cells have no room for so many taxa; say which settings would have."""
    room = math.floor(side * side * OCCUPANCY)
    if taxa <= room:
        return
    enough = math.ceil(math.sqrt(taxa / OCCUPANCY))
    ways = [f"raise {option} (to {enough} or more)"]
    if prevalence is not None:
        above = np.sort(prevalence)[::-1][room]  # the most prevalent taxon that must go
        ways.insert(0, f"raise layout.prevalence (above {above:.3f})")
    raise InputError(f"{option}={side} has room for {room:,} taxa, {taxa:,} are retained: {' or '.join(ways)}")
