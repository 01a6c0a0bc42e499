"""The loss on the branches of a tree, over all its nodes, as hyperbolic embeddings of graphs are often trained.

f = sum over branches (d(child, parent) - length)^2 + 0.1 sum over all other pairs of nodes max(0, 0.5 - d)^2

Lengths are taken as they are, in a ball of curvature -1. It is here to be compared: branches that fit do not make
paths that fit, and the hinge drives apart what lies closer in the tree than 0.5 substitutions/site.
"""

import torch

TAU = 0.5  # hyperbolic distance that nodes without a common branch should have at least
HINGE = 0.1  # weight of what is lacking to it
# Added to cosh d: keeps the slope finite where two nodes fall together.
TINY = {torch.float32: 1e-7, torch.float64: 1e-12}


def edge_loss(z: torch.Tensor, parent: torch.Tensor, length: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
    """Loss of ball coordinates z [M, d] of a tree's nodes: parent [M] (the root first), length [M], apart [M, M]."""
    distance = gram_distances(z)
    branch = distance[torch.arange(1, len(z)), parent[1:]]
    return ((branch - length[1:]) ** 2).sum() + HINGE * (torch.relu(TAU - distance) ** 2 * apart).sum()


def pairs_apart(parent: torch.Tensor) -> torch.Tensor:
    """Pairs of nodes i < j that no branch joins [M, M], bool."""
    apart = torch.ones(len(parent), len(parent), dtype=torch.bool).triu(1)
    apart[parent[1:], torch.arange(1, len(parent))] = False
    return apart


def gram_distances(z: torch.Tensor) -> torch.Tensor:
    """All distances [M, M] between ball coordinates z [M, d], from their inner products: no [M, M, d] in memory."""
    square = (z**2).sum(dim=1)
    chord = (square[:, None] + square[None, :] - 2 * z @ z.T).clamp_min(0)
    return torch.acosh(1 + 2 * chord / ((1 - square)[:, None] * (1 - square)[None, :]) + TINY[z.dtype])
