"""Trees as arrays: what UniFrac and the embedding need of a phylogeny, without walking it in Python again.

Nodes stand in preorder (a parent before its children, a subtree in one stretch), tips in the order in which
preorder meets them. `length` is the branch above a node, in substitutions/site; the root's is 0.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse
from skbio import TreeNode

from taxoscape import inputs
from taxoscape.errors import InputError, examples

BLOCK = 128  # rows of a distance matrix worked out together


@dataclass(frozen=True)
class TreeArrays:
    """A rooted tree of M nodes and n tips."""

    tips: list[str]  # names, in preorder
    parent: np.ndarray  # [M] int64, -1 for the root
    length: np.ndarray  # [M] float64, substitutions/site, of the branch above the node
    tip_node: np.ndarray  # [n] int64, node of each tip, ascending


def read_tree(path: str | Path) -> TreeNode:
    """Read a Newick tree whose tips are named once each and whose branches all have lengths.

    Underscores stay underscores. Raises InputError for unreadable files, unnamed or duplicate tips and branches
    without a finite length.
    """
    text = inputs.read_text(path, "tree")
    with inputs.foreign(f"tree {path}", "give a Newick tree"):
        tree = TreeNode.read(io.StringIO(text), format="newick", verify=False, convert_underscores=False)
    check_tree(tree, path)
    return tree


def check_tree(tree: TreeNode, path: str | Path) -> None:
    """Raise InputError unless tips have names, each its own, and branches (the root's apart) finite lengths."""
    names = [tip.name for tip in tree.tips(include_self=True)]
    if None in names:
        raise InputError(f"tree {path} has {names.count(None)} tips without a name")
    seen: set[str] = set()
    twice = [name for name in names if name in seen or seen.add(name)]
    if twice:
        raise InputError(f"tree {path} has duplicate tips: {examples(twice)}")
    bare = [node for node in tree.preorder(include_self=False) if node.length is None or not np.isfinite(node.length)]
    if bare:
        raise InputError(
            f"tree {path} has {len(bare)} branches without a length (above {examples(map(_label, bare))}): "
            "give a tree with branch lengths, or set input.tree to null to have one built"
        )


def tree_arrays(tree: TreeNode) -> TreeArrays:
    """Arrays of a tree; missing lengths count as 0, and the root's always does."""
    place: dict[int, int] = {}
    tips, parent, length, tip_node = [], [], [], []
    for index, node in enumerate(tree.preorder()):
        place[id(node)] = index
        parent.append(-1 if node is tree else place[id(node.parent)])
        length.append(0.0 if node is tree else node.length or 0.0)
        if not node.children:
            tips.append(node.name)
            tip_node.append(index)
    return TreeArrays(tips, np.array(parent), np.array(length, dtype=float), np.array(tip_node))


def ancestors_matrix(tree: TreeArrays) -> scipy.sparse.csr_matrix:
    """Tips x branches [n, M] (float64): 1 where the branch lies between the tip and the root."""
    rows, columns = [], []
    tip, node = np.arange(len(tree.tip_node)), tree.tip_node
    while len(node):  # one step towards the root for all tips at once
        rows.append(tip)
        columns.append(node)
        above = tree.parent[node]
        tip, node = tip[above >= 0], above[above >= 0]
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    shape = (len(tree.tip_node), len(tree.parent))
    return scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


def stretches(parent: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First of some `nodes` [n] (tips, ascending) below each branch [M], and one after the last: they are neighbours.

    `parent` [M] of all nodes. Both are equal where no node is below.
    """
    below = np.bincount(nodes, minlength=len(parent))
    first = np.cumsum(below) - below  # nodes that preorder meets before
    for node in range(len(parent) - 1, 0, -1):
        below[parent[node]] += below[node]
    return first, first + below


def depths(tree: TreeArrays) -> np.ndarray:
    """Distance from the root to each node [M], substitutions/site."""
    depth = np.zeros(len(tree.parent))
    for node, above in enumerate(tree.parent[1:], 1):  # each sum needs the parent's: sequential by nature
        depth[node] = depth[above] + tree.length[node]
    return depth


def levels(tree: TreeArrays) -> np.ndarray:
    """Number of branches between the root and each node [M]."""
    return depths(replace(tree, length=np.ones(len(tree.parent)))).astype(np.int64)


def patristic_distances(tree: TreeArrays, tips: np.ndarray | None = None) -> np.ndarray:
    """Path length between every pair of tips [n, n], substitutions/site: depth_i + depth_j - 2 depth_lca(i, j).

    `tips` (places, ascending) chooses some of the tips; all by default. Between two tips that preorder meets one after
    the other, the branch leaves their last common ancestor right after the first of them. The ancestor of tips further
    apart is the first node, in preorder, of those between them: a running minimum. From a block of rows to the columns
    behind it, that is the lesser of two such minima, one up to the end of the block and one from there on; both are
    vectors, so that the matrix takes a few operations a block and no search.
    """
    chosen = np.arange(len(tree.tips)) if tips is None else tips
    depth, last = depths(tree), len(tree.parent) - 1
    tip = depth[tree.tip_node[chosen]]
    joins = tree.parent[tree.tip_node[: chosen[-1]] + 1]  # ancestors of neighbours
    joins = np.minimum.reduceat(joins, chosen[:-1]) if len(chosen) > 1 else joins  # of neighbours among the chosen
    distances = np.zeros((len(tip), len(tip)))
    for start in range(0, len(tip), BLOCK):
        stop = min(start + BLOCK, len(tip))
        row = np.arange(start, stop)
        # Within the block: each row its own running minimum, columns up to the diagonal counting for nothing.
        within = np.where(row[None, 1:] > row[:, None], joins[start : stop - 1], last)
        within = np.minimum.accumulate(within, axis=1)
        block = tip[row, None] + tip[None, row[1:]] - 2 * depth[within]
        distances[start:stop, start + 1 : stop] = np.triu(block)
        distances[start:stop, start:stop] += distances[start:stop, start:stop].T
        if stop < len(tip):
            near, far = within[:, -1], np.minimum.accumulate(joins[stop - 1 :])
            behind = distances[start:stop, stop:]
            np.add(tip[row, None], tip[None, stop:], out=behind)
            behind -= np.where(near[:, None] < far, 2 * depth[near][:, None], 2 * depth[far])
            distances[stop:, start:stop] = behind.T
    return np.maximum(distances, 0.0, out=distances)  # rounding can leave -1e-17 between tips on top of each other


def missing_tips(tree: TreeNode, features: Iterable[str]) -> list[str]:
    """Features that are no tip of the tree, in their order."""
    names = {tip.name for tip in tree.tips(include_self=True)}
    return [feature for feature in features if feature not in names]


def _label(node: TreeNode) -> str:
    return node.name or f"the clade of {next(node.tips()).name}"
