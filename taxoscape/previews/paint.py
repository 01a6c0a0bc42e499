"""Paint: from numbers of taxa to coloured pixels on the landscape."""

from dataclasses import replace

import numpy as np
import pandas as pd

from taxoscape import raster
from taxoscape.basis import Basis
from taxoscape.layout.quality import RANKS, ranks
from taxoscape.palette import OTHER, PALETTE, UNASSIGNED

FEWEST_CLADES = 4  # names that a rank must have to be worth colouring by
MOST_OF_ONE = 0.6  # share of the taxa that one name may have before a lower rank is taken
FAINTEST, FULL = 1e-4, 1e-1  # share of reads in a pixel that is drawn faintly, and in full colour


def surface(weights: np.ndarray, features: np.ndarray, basis: Basis) -> np.ndarray:
    """Sums of kernels [k, H, W]: sum_i weights_i K_i features_ik; weights [D], features [D, k]."""
    return raster.rasterize(weights[None, :], replace(basis, channels=features))[0]


def local_mean(weights: np.ndarray, features: np.ndarray, basis: Basis) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of features [k, H, W] at each pixel, and the weight there [H, W]; NaN where there is none."""
    sums = surface(weights, np.column_stack([features, np.ones(len(weights))]), basis)
    weight = sums[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, sums[:-1] / weight, np.nan), weight


def strength(share: np.ndarray) -> np.ndarray:
    """Opacity (0-1) of a share of reads: logarithmic from FAINTEST to FULL, nothing a hundred times below that."""
    with np.errstate(divide="ignore"):
        place = (np.log10(share) - np.log10(FAINTEST)) / (np.log10(FULL) - np.log10(FAINTEST))
    return np.clip(0.15 + 0.85 * place, 0, 1)


def clades(lineages: list[str]) -> tuple[str, np.ndarray, dict[str, str]]:
    """Rank to colour by, the clade of each taxon [D] and clade -> colour, the most numerous first.

    The highest rank from phylum down with enough different names and none too common; else the phylum. Clades past
    the palette are `other`, taxa without a name at that rank `unassigned`.
    """
    frame = ranks(lineages)
    rank = next((rank for rank in list(RANKS.values())[1:5] if _worth(frame[rank])), "phylum")
    names = frame[rank].map(last_name).to_numpy()
    ordered = pd.Series(names[names != ""]).value_counts(sort=False)
    ordered = sorted(ordered.index, key=lambda name: (-ordered[name], name))
    colours = dict(zip(ordered, PALETTE, strict=False))
    clade = np.array([name if name in colours else "other" if name else "unassigned" for name in names], dtype=object)
    colours |= {name: colour for name, colour in (("other", OTHER), ("unassigned", UNASSIGNED)) if name in clade}
    return rank, clade, colours


def last_name(lineage: str) -> str:
    """Last name of a lineage that is not empty: `k__B; p__Firmicutes; c__` -> `Firmicutes`."""
    parts = [part.strip().partition("__") for part in lineage.split(";")]
    names = [name if mark else letter for letter, mark, name in parts]
    return next((name for name in reversed(names) if name), "")


def full_name(lineage: str) -> str:
    """Name of a taxon for a reader: the genus with its species, or the last rank named (`Lachnospiraceae (family)`)."""
    parts = [part.strip().partition("__") for part in lineage.split(";")]
    named = [(letter, name) for letter, mark, name in parts if mark and name]
    if not named:
        return "unassigned"
    letter, name = named[-1]
    if letter == "s":
        genus = next((name for letter, name in named if letter == "g"), "")
        return name if name.startswith(genus) else f"{genus} {name}"
    return name if letter == "g" else f"{name} ({RANKS.get(letter, 'rank ' + letter)})"


def _worth(names: pd.Series) -> bool:
    counts = names[names != ""].value_counts()
    return len(counts) >= FEWEST_CLADES and counts.iloc[0] <= MOST_OF_ONE * len(names)
