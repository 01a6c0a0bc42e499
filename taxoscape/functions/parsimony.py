"""Gene copies at any point of a reference tree, by weighted squared-change parsimony.

Among all ways to give copies x to the inner nodes, the one kept has the least
    sum over branches (x_above - x_below)^2 / length
(Maddison 1991, Syst. Zool. 40:304): a long branch may change more. It is also the most likely one under Brownian
motion. Its condition is linear, L x = 0 at every inner node with L the Laplacian of the tree under weights 1/length,
and elimination in the order children, parents, root and back (two passes) solves it for all genes at once. Along a
branch the copies are then linear between its ends.

Genomes differ by more than their branches say, strains of one 16S sequence included. So the branch of every tip is
longer by `within`, the distance whose Brownian change equals that difference, learned from pairs of sister tips.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse
from scipy.optimize import nnls
from scipy.sparse.linalg import splu

from taxoscape.trees import TreeArrays, depths

SHORTEST = 1e-6  # of the tree's height: shorter branches (zero, or negative as neighbour joining leaves) count as this
COLUMNS = 500  # genes reconstructed at a time: 160 MB for 20,000 tips
FEWEST = 10  # pairs that a line is fitted to
NEAR = 0.95  # identity of the pairs that tie 16S distances to the tree, if there are enough


def states(
    tree: TreeArrays, copies: np.ndarray, known: np.ndarray, within: float
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (columns, copies at every node [M, columns]) of copies [R, K] seen at the `known` [R] of the tips.

    Tips are places in `tree.tips`; one that is not known takes part as a node without data. At a known tip stands
    what was seen there, `within` below its end.
    """
    seen = tree.tip_node[known]
    weight = 1 / branch_lengths(tree, within)[1:]
    child, parent = np.arange(1, len(tree.parent)), tree.parent[1:]
    ends = (np.concatenate([child, parent]), np.concatenate([parent, child]))
    between = scipy.sparse.csr_matrix((np.tile(weight, 2), ends), shape=(len(tree.parent),) * 2)
    laplacian = scipy.sparse.diags(np.asarray(between.sum(axis=1)).ravel()) - between
    free = np.setdiff1d(np.arange(len(tree.parent)), seen)[::-1]  # preorder turned round: children first, no fill-in
    solver = splu(laplacian[free][:, free].tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0.0)
    pull = between[free][:, seen]
    for first in range(0, copies.shape[1], COLUMNS):
        columns = slice(first, min(first + COLUMNS, copies.shape[1]))
        found = np.empty((len(tree.parent), columns.stop - first))
        found[seen] = copies[:, columns]
        found[free] = solver.solve(pull @ found[seen])
        yield columns, found


def at_points(
    tree: TreeArrays, copies: np.ndarray, known: np.ndarray, within: float, node: np.ndarray, above: np.ndarray
) -> np.ndarray:
    """Copies [Q, K] (float32) at points `above` [Q] (substitutions/site) the lower ends of the branches `node` [Q]."""
    length = branch_lengths(tree, within)
    below = np.where(np.isin(node, tree.tip_node), within, 0.0)  # from what was seen at a tip to the tip's end
    share = np.clip((below + above) / length[node], 0, 1)[:, None]
    upper = np.maximum(tree.parent[node], 0)
    found = np.empty((len(node), copies.shape[1]), dtype=np.float32)
    for columns, state in states(tree, copies, known, within):
        found[:, columns] = state[node] + share * (state[upper] - state[node])
    return found


def branch_lengths(tree: TreeArrays, within: float = 0.0) -> np.ndarray:
    """Lengths [M] of the branches above the nodes, none zero, those of the tips longer by `within`."""
    length = np.maximum(tree.length, SHORTEST * depths(tree).max() or SHORTEST)
    length[tree.tip_node] += within
    return length


def climb(tree: TreeArrays, tips: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points `height` [Q] above the tips [Q] on their way to the root, at most there: (node, above its lower end)."""
    node, above = tree.tip_node[tips], np.array(height, dtype=float)
    while True:
        passed = (above > tree.length[node]) & (tree.parent[node] >= 0)
        if not passed.any():
            return node, np.where(tree.parent[node] < 0, 0.0, above)
        above = np.where(passed, above - tree.length[node], above)
        node = np.where(passed, tree.parent[node], node)


def path_lengths(tree: TreeArrays, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances [P] along the tree between pairs of tips (places in tree.tips), substitutions/site."""
    depth = depths(tree)
    a, b = tree.tip_node[one], tree.tip_node[other]
    ends = depth[a] + depth[b]
    while (a != b).any():  # the later node of preorder is never the other's ancestor: it goes up
        a, b = np.where(a > b, tree.parent[a], a), np.where(b > a, tree.parent[b], b)
    return ends - 2 * depth[a]


def jukes_cantor(identity: np.ndarray) -> np.ndarray:
    """Substitutions/site behind an identity (0-1) of two sequences, -3/4 ln(1 - 4/3 p); p at most 0.7."""
    return -0.75 * np.log1p(-4 / 3 * np.minimum(1 - np.asarray(identity), 0.7))


def distance_line(query: np.ndarray, identity: np.ndarray, distance: np.ndarray) -> tuple[float, float]:
    """Fit tree distance = intercept + slope x Jukes-Cantor distance (both >= 0) over hits [H] -> intercept, slope.

    `distance` [H] lies between the hit and the query's best hit. The query and its best hit part later from each
    other than from the hit, so that the hit is as far from one as from the other: what holds for hit and best hit
    holds for hit and query. Every query weighs the same; without pairs the line is 0.
    """
    near = identity >= NEAR
    use = near if near.sum() >= FEWEST else np.ones(len(near), dtype=bool)
    if not use.any():
        return 0.0, 0.0
    _, place, size = np.unique(query[use], return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(size[place])
    return _line(jukes_cantor(identity[use]), distance[use], weight)


def within_tips(tree: TreeArrays, copies: np.ndarray, known: np.ndarray) -> float:
    """Distance (substitutions/site) whose Brownian change equals how much genomes differ at distance 0.

    Squared differences between sister tips, summed over the genes, rise in a line with their distance; half of
    intercept / slope of the nearer half of the pairs. At most the tree's height, and 0 where there are too few pairs.
    """
    height = depths(tree).max()
    place = np.full(len(tree.parent), -1)
    place[tree.tip_node[known]] = np.arange(len(known))
    nodes = tree.tip_node[known]
    sisters = np.flatnonzero((tree.parent[nodes[1:]] == tree.parent[nodes[:-1]]) if len(nodes) > 1 else [])
    one, other = nodes[sisters], nodes[sisters + 1]
    distance = tree.length[one] + tree.length[other]
    near = distance <= np.median(distance) if len(distance) else []
    if np.sum(near) < FEWEST:
        return 0.0
    change = copies[place[one[near]]].astype(float) - copies[place[other[near]]]
    intercept, slope = _line(distance[near], (change**2).sum(axis=1), np.ones(near.sum()))
    return min(intercept / (2 * slope), height) if slope > 0 else height


def _line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    design = np.column_stack([np.ones(len(x)), x])
    intercept, slope = nnls(design * weight[:, None], y * weight)[0]
    return float(intercept), float(slope)
