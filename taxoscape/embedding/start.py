"""Start: polar coordinates read off the tree, close enough that the optimizer only has to polish.

Two siblings at the ends of branches of length b, whose paths part at depth h, lie at distance 2b when the chord
between their directions is 2 sinh(b) / sinh(h + b) (geometry.polar_distance with r1 = r2 = h + b). So every branch
turns the direction by sinh(b) / sinh(h + b), away from its siblings, with b the reach of the clade it leads to.
Sarkar 2011 places the children of a node in the same spirit, in two dimensions.
"""

import numpy as np

SHORTEST = 1e-9  # hyperbolic length of a branch of none, so that no direction is lost


def tree_directions(parent: np.ndarray, depth: np.ndarray, dim: int, seed: int) -> np.ndarray:
    """Direction [M, dim] of every node of a tree (parent [M] in preorder, depth [M] in hyperbolic units)."""
    above = depth[np.maximum(parent, 0)]
    reach = np.maximum(deepest_below(parent, depth) - above, SHORTEST)
    size = np.exp(-above) * np.expm1(-2 * reach) / np.expm1(-2 * (above + reach))  # sinh(b) / sinh(h + b)
    turns = sibling_vectors(parent, dim, seed) * size[:, None]
    for node in range(1, len(parent)):  # each sum needs the parent's
        turns[node] += turns[parent[node]]
    norm = np.linalg.norm(turns, axis=1, keepdims=True)
    return np.where(norm > 0, turns / np.where(norm > 0, norm, 1.0), np.eye(1, dim))


def deepest_below(parent: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Largest depth in the clade of each node [M]."""
    deepest = depth.copy()
    for node in range(len(parent) - 1, 0, -1):
        deepest[parent[node]] = max(deepest[parent[node]], deepest[node])
    return deepest


def tree_offsets(parent: np.ndarray, length: np.ndarray, dim: int, seed: int) -> np.ndarray:
    """Euclidean coordinates [M, dim] of every node: each branch a random step of the square root of its length.

    A Brownian motion along the tree: squared distances are path lengths in the mean, the Euclidean start.
    """
    steps = sibling_vectors(parent, dim, seed) * np.sqrt(length)[:, None]
    for node in range(1, len(parent)):
        steps[node] += steps[parent[node]]
    return steps


def sibling_vectors(parent: np.ndarray, dim: int, seed: int) -> np.ndarray:
    """Random vectors [M, dim] of length about 1 whose sum over the children of each node is zero; the root's is 0."""
    vectors = np.random.default_rng(seed).standard_normal((len(parent), dim)) / np.sqrt(dim)
    vectors[0] = 0.0
    sums, children = np.zeros_like(vectors), np.bincount(parent[1:], minlength=len(parent))
    np.add.at(sums, parent[1:], vectors[1:])
    vectors[1:] -= (sums / np.maximum(children, 1)[:, None])[parent[1:]]
    shrunk = np.sqrt(np.maximum(1 - 1 / np.maximum(children, 1), 0.5))  # length lost to the centring
    vectors[1:] /= shrunk[parent[1:], None]
    return vectors
