"""What is known of taxa: features of each, the tree that joins them, and the channels that their genes share.

The taxa that a fold reads one by one are those that are common among its training samples; all others are read as one
more, the rest, of which nothing is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from taxoscape import tables, trees
from taxoscape.files import read_npz
from taxoscape.taxonomy.lineages import rank_names
from taxoscape.trees import TreeArrays


@dataclass(frozen=True)
class Sources:
    """Knowledge of all taxa of a study."""

    tips: pd.Index  # taxa of the embedding
    coordinates: np.ndarray  # [tips, dim] hyperbolic distance from the centre times direction
    channels: pd.DataFrame  # taxa x channels, shares of genes; no columns where functions are not known
    lineages: pd.Series  # by taxon
    tree: TreeArrays


@dataclass(frozen=True)
class Taxa:
    """Taxa of a fold, the rest at the end, as tensors: T taxa, V nodes of their tree (taxa first), C channels."""

    features: torch.Tensor  # [T, P] standardised
    channels: torch.Tensor  # [T, C] weights of the edges between taxa and channels
    edges: torch.Tensor  # [2, E] from, to: both directions of every branch
    closeness: torch.Tensor  # [E] weights; those that lead to a node sum to 1
    nodes: int


def read_sources(embedding: str | Path, channels: str | Path, taxonomy: str | Path, tree: str | Path) -> Sources:
    """Read poincare.npz, channels.tsv, taxonomy.tsv and tree.nwk."""
    arrays = read_npz(embedding, ["tips", "radius", "direction"])
    tips, coordinates = pd.Index(arrays["tips"]), arrays["radius"][:, None] * arrays["direction"]
    genes = tables.read_channels(channels)
    lineages = tables.read_taxonomy(taxonomy)
    return Sources(tips, coordinates, genes, lineages, trees.tree_arrays(trees.read_tree(tree)))


def describe(sources: Sources, names: Sequence[str]) -> np.ndarray:
    """Features [T, P] of taxa `names`. What is not known of a taxon is the mean of the others.

    Hyperbolic coordinates in the tangent space of the centre, channels, and the clades of the lineage.
    """
    place = sources.tips.get_indexer(names)
    coordinates = np.where(place[:, None] >= 0, sources.coordinates[place], np.nan)
    channels = standardised(sources.channels.reindex(names).to_numpy())
    scale = np.sqrt(max(coordinates.shape[1], 1))
    known = [standardised(coordinates) / scale, channels / max(np.sqrt(channels.shape[1]), 1), clades(sources, names)]
    return np.hstack(known)


def gather(sources: Sources, names: Sequence[str]) -> Taxa:
    """Taxa `names` [T - 1] and the rest, of which nothing is known, as tensors."""
    features = describe(sources, names)
    channels = standardised(sources.channels.reindex(names).to_numpy())
    edges, closeness, nodes = branches(sources.tree, names)
    return Taxa(
        features=torch.tensor(np.vstack([features, np.zeros((1, features.shape[1]))])).float(),
        channels=torch.tensor(np.vstack([channels, np.zeros((1, channels.shape[1]))])).float(),
        edges=torch.tensor(edges),
        closeness=torch.tensor(closeness).float(),
        nodes=nodes,
    )


def standardised(values: np.ndarray) -> np.ndarray:
    """Columns [T, P] with mean 0 and standard deviation 1 over the rows that are known; 0 elsewhere and if constant."""
    known = np.isfinite(values).all(axis=1)
    mean, std = (values[known].mean(axis=0), values[known].std(axis=0)) if known.any() else (0.0, 0.0)
    varies = std > 1e-9 * np.maximum(np.abs(mean), 1e-9)
    return np.where(known[:, None] & varies, (values - mean) / np.where(varies, std, 1), 0.0)


def clades(sources: Sources, names: Sequence[str]) -> np.ndarray:
    """Membership [T, clades] (0 or 1) in every clade of the lineages that two or more, but not all, taxa share."""
    lineages = sources.lineages.reindex(names).fillna("")
    paths = [lineage_paths(lineage) for lineage in lineages]
    found = pd.Series([path for own in paths for path in own], dtype=object).value_counts()
    shared = sorted(found.index[(found > 1) & (found < len(names))])
    column = {path: number for number, path in enumerate(shared)}
    member = np.zeros((len(names), len(shared)))
    for row, own in enumerate(paths):
        member[row, [column[path] for path in own if path in column]] = 1
    return member


def lineage_paths(lineage: str) -> list[str]:
    """Clades of a lineage by their whole path, `Bacteria`, `Bacteria;Firmicutes`, ..., so that no two share a name."""
    ranks = rank_names(lineage) if lineage else []
    ranks = ranks[: ranks.index("")] if "" in ranks else ranks
    return [";".join(ranks[:end]) for end in range(1, len(ranks) + 1)]


def branches(tree: TreeArrays, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Branches of the tree cut down to the taxa `names`, without nodes of one child: edges [2, E], weights [E], nodes.

    Node i is names[i], then comes the rest, which has no branch, then the ancestors. A branch of length l weighs
    1 / (l + mean l), divided by the sum of those that lead to the same node.
    """
    tip = dict(zip(tree.tips, tree.tip_node, strict=True))
    own = {tip[name]: number for number, name in enumerate(names) if name in tip}
    below = np.zeros(len(tree.parent), dtype=np.int64)  # taxa at or under a node
    below[list(own)] = 1
    for node in range(len(tree.parent) - 1, 0, -1):
        below[tree.parent[node]] += below[node]
    splits = np.zeros(len(tree.parent), dtype=np.int64)  # children with taxa
    np.add.at(splits, tree.parent[1:][below[1:] > 0], 1)
    kept = own | {node: len(names) + 1 + place for place, node in enumerate(np.flatnonzero(splits > 1))}
    pairs, lengths = [], []
    for node in kept:
        above, length = tree.parent[node], tree.length[node]
        while above >= 0 and above not in kept:
            above, length = tree.parent[above], length + tree.length[above]
        if above >= 0:
            pairs.append((kept[node], kept[above]))
            lengths.append(length)
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    lengths = np.maximum(np.array(lengths), 0.0)
    both = np.concatenate([edges, edges[::-1]], axis=1)
    nodes = len(names) + 1 + int((splits > 1).sum())
    if not len(lengths):
        return both, np.zeros(0), nodes
    weight = np.tile(1 / (lengths + (lengths.mean() or 1.0)), 2)
    return both, weight / np.bincount(both[1], weight, nodes)[both[1]], nodes
