"""Paint: from numbers of taxa to coloured pixels on the landscape."""

from dataclasses import replace

import numpy as np

from taxoscape import raster
from taxoscape.basis import Basis
from taxoscape.taxonomy.lineages import RANKS, named_ranks

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


def full_name(lineage: str) -> str:
    """Name of a taxon for a reader: the genus with its species, or the last rank named (`Lachnospiraceae (family)`)."""
    named = named_ranks(lineage)
    if not named:
        return "unassigned"
    letter, name = list(named.items())[-1]
    if letter == "s":
        genus = named.get("g", "")
        return name if name.startswith(genus) else f"{genus} {name}"
    return name if letter == "g" else f"{name} ({RANKS.get(letter, 'rank ' + letter)})"
