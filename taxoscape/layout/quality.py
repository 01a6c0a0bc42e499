"""Quality of a layout: does the map keep near what is near in the tree?"""

import warnings

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness

from taxoscape.taxonomy.lineages import RANKS

NEIGHBOURS = 10
PURITY_NEIGHBOURS = 5


def neighbour_recall(distances: np.ndarray, cells: np.ndarray, neighbours: int) -> float:
    """Share of each taxon's nearest `neighbours` by distance [n, n] that are its nearest on the map [n, 2], mean."""
    near, shown = nearest(distances, neighbours), nearest(cdist(cells, cells), neighbours)
    return float(np.mean([len(set(a) & set(b)) / neighbours for a, b in zip(near, shown, strict=True)]))


def nearest(distances: np.ndarray, neighbours: int) -> np.ndarray:
    """Indices [n, neighbours] of the nearest others; ties go to the first."""
    others = distances.astype(np.float64).copy()
    np.fill_diagonal(others, np.inf)
    return np.argsort(others, axis=1, kind="stable")[:, :neighbours]


def ranks(lineages: list[str]) -> pd.DataFrame:
    """Lineages `k__..; p__..` as columns kingdom ... genus, the whole lineage to that rank; empty = unassigned."""
    rows = []
    for lineage in lineages:
        parts = [part.strip() for part in lineage.split(";")]
        named = [(part[0], end) for end, part in enumerate(parts, 1) if part[1:3] == "__" and part[3:]]
        rows.append({RANKS.get(letter): "; ".join(parts[:end]) for letter, end in named})
    return pd.DataFrame(rows, columns=list(RANKS.values())[:-1], dtype=object).fillna("")


def purity(distances: np.ndarray, names: np.ndarray, neighbours: int = PURITY_NEIGHBOURS) -> float | None:
    """Mean share of a taxon's nearest taxa that bear its name: of as many as can (`neighbours`, or all namesakes).

    distances [n, n]; names [n], empty = unassigned, left out. None when no two taxa share a name.
    """
    named = np.flatnonzero(names != "")
    distances, names = distances[np.ix_(named, named)], names[named]
    namesakes = pd.Series(names).map(pd.Series(names).value_counts()).to_numpy(dtype=int) - 1
    near = nearest(distances, min(neighbours, max(len(named) - 1, 0)))
    shares = []
    for taxon in np.flatnonzero(namesakes > 0):
        most = min(near.shape[1], namesakes[taxon])
        shares.append(np.mean(names[near[taxon, :most]] == names[taxon]))
    return float(np.mean(shares)) if shares else None


def layout_quality(distances: np.ndarray, cells: np.ndarray, lineages: list[str]) -> dict:
    """Figures of a layout: shared cells, neighbour recall, trustworthiness, purity by rank (and in the embedding).

    distances [n, n] embedded; cells [n, 2]. Recall and trustworthiness look at 10 neighbours, fewer when there are
    fewer than 21 taxa; null for two taxa, where every map is right.
    """
    count = len(cells)
    neighbours = min(NEIGHBOURS, (count - 1) // 2)
    on_map, by_rank = cdist(cells, cells), ranks(lineages)
    figures = {
        "taxa": count,
        "shared_cells": int(count - len(np.unique(cells, axis=0))),
        "neighbours": neighbours,
        "recall": neighbour_recall(distances, cells, neighbours) if neighbours else None,
        "trustworthiness": _trustworthiness(distances, cells, neighbours) if neighbours else None,
    }
    figures["purity"] = {rank: purity(on_map, by_rank[rank].to_numpy()) for rank in by_rank}
    figures["purity_embedding"] = {rank: purity(distances, by_rank[rank].to_numpy()) for rank in by_rank}
    return figures


def _trustworthiness(distances: np.ndarray, cells: np.ndarray, neighbours: int) -> float:
    """Trustworthiness (Venna & Kaski 2001): 1 when no neighbour on the map is far away in the embedding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(trustworthiness(distances, cells.astype(float), n_neighbors=neighbours, metric="precomputed"))
