"""Points: the tips of a tree that lie at different places, and the path lengths between them.

Tips on top of each other share a point, because a relative error has no meaning at distance zero. Points keep the
order of the tips (preorder), in which every clade is one stretch and the last common ancestor of two points is the
smallest node among the ancestors of the neighbours between them.
"""

from dataclasses import dataclass

import numpy as np

from taxoscape import trees
from taxoscape.errors import InputError
from taxoscape.trees import TreeArrays

# Branches shorter than this share of the height are no distance: aligners and FastTree write 5e-9 for "the same".
SAME_PLACE = 1e-6


@dataclass(frozen=True)
class Points:
    """n distinct points of a tree of M nodes, lengths in substitutions/site."""

    parent: np.ndarray  # [M] int64, -1 for the root
    node_depth: np.ndarray  # [M] float64, distance from the root
    node: np.ndarray  # [n] int64, node of each point, ascending
    join: np.ndarray  # [n-1] int64, last common ancestor of each point and the next
    of_tip: np.ndarray  # [tips] int64, point of each tip of the tree

    @property
    def depth(self) -> np.ndarray:
        """Distance from the root to each point [n]."""
        return self.node_depth[self.node]

    @property
    def height(self) -> float:
        """Distance from the root to the deepest point."""
        return float(self.depth.max())


def distinct_points(tree: TreeArrays) -> Points:
    """Points of a tree: negative lengths count as 0, tips at the same place are merged.

    Raises InputError when fewer than two tips lie at different places.
    """
    tree = TreeArrays(tree.tips, tree.parent, np.maximum(tree.length, 0.0), tree.tip_node)
    depth = trees.depths(tree)
    place = np.arange(len(tree.parent))
    for node in np.flatnonzero(tree.length <= SAME_PLACE * depth.max()):  # preorder: the parent's place is known
        if tree.parent[node] >= 0:
            place[node] = place[tree.parent[node]]
    _, first, of_tip = np.unique(place[tree.tip_node], return_index=True, return_inverse=True)
    if len(first) < 2:
        raise InputError(
            f"the tree has {len(tree.tips)} tips, all at one place (height {depth.max():g}): "
            "an embedding needs two tips at some distance; look at the branch lengths of the tree"
        )
    order = np.argsort(first)  # points in the order of their first tips
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    first = first[order]
    joins = tree.parent[tree.tip_node[:-1] + 1]  # the branch leaves the ancestor right after the earlier tip
    join = np.minimum.reduceat(joins[: first[-1]], first[:-1])
    return Points(tree.parent, depth, tree.tip_node[first], join, rank[of_tip])


def path_lengths(points: Points, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Path length [P] between points `first` [P] and `second` [P] (first < second), without an n x n matrix."""
    minima = [points.join]  # sparse table: minima[k][i] = smallest of join[i : i + 2^k]
    while len(minima[-1]) > 2 ** (len(minima) - 1):
        half = 2 ** (len(minima) - 1)
        minima.append(np.minimum(minima[-1][:-half], minima[-1][half:]))
    power = np.log2(second - first).astype(np.int64)
    ancestor = np.empty(len(first), dtype=np.int64)
    for k, table in enumerate(minima):
        at = power == k
        ancestor[at] = np.minimum(table[first[at]], table[second[at] - 2**k])
    depth = points.depth
    return np.maximum(depth[first] + depth[second] - 2 * points.node_depth[ancestor], 0.0)


def diameter(points: Points) -> float:
    """Largest path length between two points: the deepest points of two branches of one node, best node first."""
    deepest = points.node_depth.copy()  # of the subtree of each node
    has_point = np.zeros(len(points.parent), dtype=bool)
    has_point[points.node] = True
    deepest[~has_point] = -np.inf
    largest = 0.0
    for node in range(len(points.parent) - 1, 0, -1):
        above = points.parent[node]
        largest = max(largest, deepest[node] + deepest[above] - 2 * points.node_depth[above])
        deepest[above] = max(deepest[above], deepest[node])
    return float(largest)
