"""Midpoint: the middle of a tree's longest path, which becomes the centre of the ball wherever the tree was rooted."""

import numpy as np

from taxoscape.trees import TreeArrays


def root_at_midpoint(tree: TreeArrays) -> TreeArrays:
    """Tree with its root in the middle of the longest path between tips, its nodes in preorder from there.

    Distances between tips stay; their order may change. A tree without distances is returned as it is. Lengths must
    not be negative.
    """
    children = np.bincount(tree.parent[1:], minlength=len(tree.parent))
    if not (children > 1).any():
        return tree
    top = int(np.argmax(children > 1))  # a stem of single children above it leads to no tip
    neighbours: list[dict[int, float]] = [{} for _ in tree.parent]
    for node in range(top + 1, len(tree.parent)):
        join(neighbours, int(tree.parent[node]), node, float(tree.length[node]))
    _, _, far = walk(neighbours, top)
    end = tree.tip_node[np.argmax(far[tree.tip_node])]
    _, above, far = walk(neighbours, int(end))
    node = int(tree.tip_node[np.argmax(far[tree.tip_node])])
    half = far[node] / 2
    if half == 0:
        return tree
    while far[above[node]] > half:
        node = above[node]
    middle, upper = len(neighbours), int(above[node])
    del neighbours[node][upper], neighbours[upper][node]
    neighbours.append({})
    join(neighbours, upper, middle, half - far[upper])
    join(neighbours, middle, node, far[node] - half)
    return in_preorder(neighbours, middle, tree)


def join(neighbours: list[dict[int, float]], a: int, b: int, length: float) -> None:
    """Connect two nodes by a branch."""
    neighbours[a][b] = neighbours[b][a] = length


def walk(neighbours: list[dict[int, float]], start: int) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Nodes in preorder from `start`, the node before each [M] (-1: none) and the path length to it [M]."""
    order, before, far = [], np.full(len(neighbours), -1), np.zeros(len(neighbours))
    stack = [start]
    while stack:
        node = stack.pop()
        order.append(node)
        for other, length in reversed(neighbours[node].items()):
            if other != before[node]:
                before[other], far[other] = node, far[node] + length
                stack.append(other)
    return order, before, far


def in_preorder(neighbours: list[dict[int, float]], root: int, tree: TreeArrays) -> TreeArrays:
    """Arrays of the connected nodes seen from `root`, with the tips of `tree`."""
    order, before, _ = walk(neighbours, root)
    place = np.full(len(neighbours) + 1, -1)  # the last is for "none"
    place[order] = np.arange(len(order))
    length = [0.0 if node == root else neighbours[node][before[node]] for node in order]
    tip_node = place[tree.tip_node]
    tips = np.argsort(tip_node)
    return TreeArrays([tree.tips[tip] for tip in tips], place[before[order]], np.array(length), tip_node[tips])
