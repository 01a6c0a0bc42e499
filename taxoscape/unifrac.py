"""UniFrac and Faith's diversity of many samples at once: matrix products over the branches of the tree.

With P [N, M] = 1 where a branch has reads of the sample below it, and branch lengths b [M]:
S = (P * b) P^T is the length shared by two samples, s = diag S that of each, and
unweighted UniFrac = (s_i + s_j - 2 S_ij) / (s_i + s_j - S_ij)  (Lozupone and Knight 2005); Faith's PD = s (Faith 1992).
Everything in float64: bfloat16 errs by 0.008.
"""

import numpy as np
from scipy.spatial.distance import pdist, squareform

from taxoscape.errors import InputError, examples
from taxoscape.trees import TreeArrays, stretches

BLOCK = 8192  # branches in memory at a time


def branch_counts(counts: np.ndarray, tree: TreeArrays) -> np.ndarray:
    """Counts of the tips [N, n] -> counts below every branch [N, M].

    The tips below a branch are one stretch of the preorder, so their sum is a difference of two running sums:
    exact for whole counts.
    """
    first, last = stretches(tree)
    running = np.concatenate([np.zeros((len(counts), 1), counts.dtype), np.cumsum(counts, axis=1)], axis=1)
    return running[:, last] - running[:, first]


def unweighted_unifrac(counts: np.ndarray, tree: TreeArrays) -> tuple[np.ndarray, np.ndarray]:
    """Counts [N, n] (tips in the order of the tree) -> unweighted UniFrac [N, N] and Faith's PD [N].

    Samples without a read share nothing with the others (1) and are equal to each other (0).
    """
    shared = np.zeros((len(counts), len(counts)))
    below = branch_counts(np.asarray(counts, dtype=np.int64), tree)
    for start in range(0, below.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        weighted = (below[:, block] > 0) * np.sqrt(tree.length[block])
        shared += weighted @ weighted.T
    faith = np.diag(shared).copy()
    total = faith[:, None] + faith[None, :]
    union = total - shared
    distances = np.divide(total - 2 * shared, union, out=np.zeros_like(union), where=union > 0)
    np.fill_diagonal(distances, 0.0)
    return np.clip(distances, 0.0, 1.0), faith


def weighted_normalized_unifrac(counts: np.ndarray, tree: TreeArrays) -> np.ndarray:
    """Counts [N, n] -> normalised weighted UniFrac [N, N]: sum b |p_i - p_j| / sum b (p_i + p_j).

    p is the share of the sample's reads below each branch (Lozupone et al. 2007). Samples without a read: as above.
    """
    reads = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    weights = branch_counts(counts, tree) / reads * tree.length  # [N, M]
    used = tree.length > 0
    difference = squareform(pdist(weights[:, used], "cityblock"))
    height = weights.sum(axis=1)
    total = height[:, None] + height[None, :]
    return np.divide(difference, total, out=np.zeros_like(total), where=total > 0)


def measure(counts: np.ndarray, tree: TreeArrays, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """UniFrac [N, N] of the metric (unweighted | weighted_normalized) and Faith's PD [N] of counts [N, n]."""
    distances, faith = unweighted_unifrac(counts, tree)
    return (weighted_normalized_unifrac(counts, tree) if metric == "weighted_normalized" else distances), faith


def report_left_out(counts: np.ndarray, features: list[str], tree: TreeArrays, samples: list[str]) -> None:
    """Print what the tree does not cover of counts [N, features]; raise InputError when that is everything."""
    outside = ~np.isin(features, tree.tips)
    if outside.all():
        raise InputError(f"none of the {len(features):,} features ({examples(features)}) is a tip of the tree")
    lost = counts[:, outside].sum(axis=1) / counts.sum(axis=1)
    print(f"{outside.sum():,} of {len(features):,} features are not in the tree: {lost.mean():.2%} of the reads")
    if (lost == 1).any():
        empty = [samples[row] for row in np.flatnonzero(lost == 1)]
        print(f"{len(empty)} samples have no read in the tree: {examples(empty)}")
