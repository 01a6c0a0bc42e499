"""UniFrac and Faith's diversity of many samples at once: matrix products over the branches of the tree.

With P [N, M] = 1 where a branch has reads of the sample below it, and branch lengths b [M]:
S = (P * b) P^T is the length shared by two samples, s = diag S that of each, and
unweighted UniFrac = (s_i + s_j - 2 S_ij) / (s_i + s_j - S_ij)  (Lozupone and Knight 2005); Faith's PD = s (Faith 1992).
Everything in float64: bfloat16 errs by 0.008.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from scipy.spatial.distance import cdist

from taxoscape.errors import InputError, examples
from taxoscape.trees import TreeArrays, stretches

BLOCK = 1024  # branches in memory at a time, and rows of distances


def distances_from(counts: np.ndarray, tree: TreeArrays, metric: str, first: int, last: int) -> np.ndarray:
    """Counts of tips [N, n] -> UniFrac [last - first, N - first] of some samples and all that follow.

    What comes before `first` is left to whoever begins there. Metric: unweighted | weighted_normalized. Samples
    without a read share nothing with the others (1) and are equal to each other (0).
    """
    rows = _weighted if metric == "weighted_normalized" else _unweighted
    distances = rows(np.asarray(counts, dtype=np.int64)[first:], tree, last - first)
    np.fill_diagonal(distances, 0.0)
    return np.clip(distances, 0.0, 1.0, out=distances)


def _unweighted(counts: np.ndarray, tree: TreeArrays, rows: int) -> np.ndarray:
    shared, own = np.zeros((rows, len(counts))), np.zeros(len(counts))
    for lengths, below in _blocks(counts, tree):
        weighted = (below > 0) * np.sqrt(lengths)
        # Of the rows themselves it is a product with the transpose, which is symmetric to the last bit.
        shared[:, :rows] += weighted[:rows] @ weighted[:rows].T
        shared[:, rows:] += weighted[:rows] @ weighted[rows:].T
        own += np.einsum("nm,nm->n", weighted, weighted)
    for part in _row_blocks(rows):
        total = own[part, None] + own[None, :]
        union = total - shared[part]
        shared[part] = np.divide(total - 2 * shared[part], union, out=np.zeros_like(union), where=union > 0)
    return shared


def _weighted(counts: np.ndarray, tree: TreeArrays, rows: int) -> np.ndarray:
    """Sum b |p_i - p_j| / sum b (p_i + p_j); p is the share of reads below each branch (Lozupone et al. 2007)."""
    reads = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    difference, height = np.zeros((rows, len(counts))), np.zeros(len(counts))
    for lengths, below in _blocks(counts, tree):
        weights = below / reads * lengths
        difference += cdist(weights[:rows], weights, "cityblock")
        height += weights.sum(axis=1)
    for part in _row_blocks(rows):
        total = height[part, None] + height[None, :]
        difference[part] = np.divide(difference[part], total, out=np.zeros_like(total), where=total > 0)
    return difference


def _row_blocks(rows: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK)]


def _blocks(counts: np.ndarray, tree: TreeArrays) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Lengths [M] and counts below [N, M] of all branches that have a length, BLOCK at a time.

    The tips below a branch are one stretch of the preorder, so their sum is a difference of two running sums: exact
    for whole counts.
    """
    first, last = stretches(tree.parent, tree.tip_node)
    running = np.concatenate([np.zeros((len(counts), 1), counts.dtype), np.cumsum(counts, axis=1)], axis=1)
    used = np.flatnonzero(tree.length > 0)
    for start in range(0, len(used), BLOCK):
        branches = used[start : start + BLOCK]
        yield tree.length[branches], running[:, last[branches]] - running[:, first[branches]]


def faith_pd(counts: np.ndarray, tree: TreeArrays) -> np.ndarray:
    """Counts [N, n] -> Faith's PD [N], substitutions per site."""
    total = np.zeros(len(counts))
    for lengths, below in _blocks(counts, tree):
        total += (below > 0) @ lengths
    return total


def distances(counts: np.ndarray, tree: TreeArrays, metric: str) -> np.ndarray:
    """Counts [N, n] -> UniFrac [N, N] of the metric (unweighted | weighted_normalized)."""
    return distances_from(counts, tree, metric, 0, len(counts))


def spans(samples: int, shards: int) -> list[tuple[int, int]]:
    """First and last of the samples that each shard compares with all that follow: about equal work for each."""
    # Up to sample x a share 1 - (1 - x / N)^2 of the pairs is done.
    ends = samples * (1 - np.sqrt(1 - np.arange(shards + 1) / shards))
    ends = np.rint(ends).astype(int).tolist()
    return list(pairwise(ends))


def joined(parts: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Rows [R, N] of all distances, of the shards [R, N - first] in their order: before `first` stand mirror images."""
    firsts = np.cumsum([0, *map(len, parts)])
    for place, part in enumerate(parts):
        for rows in _row_blocks(len(part)):
            here = firsts[place] + rows.start, firsts[place] + rows.stop
            mirrored = [
                earlier[:, here[0] - start : here[1] - start].T
                for start, earlier in zip(firsts, parts[:place], strict=False)
            ]
            yield np.concatenate([*mirrored, part[rows]], axis=1)


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
