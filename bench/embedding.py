"""Embedding of 452 tips in 32 dimensions: ours beside the loss on tree edges, and beside Euclidean stress.

The other side's loss: squared error on the edges of the tree plus a hinge that keeps all other nodes apart
(tau = 0.5, lambda = 0.1), curvature 1, float32, by RiemannianAdam (lr 0.01) over all nodes for 5,000 epochs.
"""

from time import perf_counter

import numba
import numpy as np
import torch
from geoopt import ManifoldParameter, PoincareBall
from geoopt.optim import RiemannianAdam

from bench.unifrac import random_tree
from taxoscape import trees
from taxoscape.compiled import use_threads
from taxoscape.embedding import embed as stage
from taxoscape.embedding.fit import fit
from taxoscape.embedding.midpoint import root_at_midpoint
from taxoscape.embedding.points import distinct_points
from taxoscape.embedding.start import tree_directions

TIPS, DIM, RADIUS, ITERATIONS = 452, 32, 7.0, 1000
EPOCHS, TIMED = 5000, 10
TAU, HINGE = 0.5, 0.1
OPTIONS = stage.EmbeddingOptions(
    dim=DIM, radius=RADIUS, iterations=ITERATIONS, pairs_up_to=3000, partners=4, min_pearson=0.0
)


def rows() -> list[dict]:
    """Seconds of a whole embedding, one thread each, and mean relative errors, on one simulated tree."""
    threads = numba.get_num_threads(), torch.get_num_threads()
    use_threads(1)
    torch.set_num_threads(1)
    tree = random_tree(TIPS, np.random.default_rng(0))
    ours(tree, 2)  # compiles
    found = [seconds_of(lambda: ours(tree, ITERATIONS)) for _ in range(3)]
    edges = seconds_of(lambda: edge_loss_epochs(tree, TIMED)) / TIMED * EPOCHS
    _, quality = stage.embed(tree, OPTIONS, 0)
    use_threads(threads[0])
    torch.set_num_threads(threads[1])
    error, flat = quality["mean_relative_error"], quality["euclidean"]["mean_relative_error"]
    what = f"embedding, {TIPS} tips, d {DIM}"
    return [
        row(f"{what}: time against the edge loss", np.median(found), edges, edges / np.median(found), "s", TIME_NOTE),
        row(f"{what}: mean relative error against Euclidean stress", error, flat, flat / error, "share", ERROR_NOTE),
    ]


TIME_NOTE = (
    f"one thread each; ours {ITERATIONS} iterations, median of 3; other: RiemannianAdam over all nodes, "
    f"Gram form, timed on {TIMED} epochs and scaled to {EPOCHS}"
)
ERROR_NOTE = f"all pairs of a simulated tree, R {RADIUS:g}; same optimizer, at most {ITERATIONS} iterations each"


def row(name: str, ours: float, other: float, ratio: float, unit: str, note: str) -> dict:
    return {"name": name, "ours": float(ours), "other": other, "ratio": float(ratio), "unit": unit, "note": note}


def seconds_of(call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def ours(tree, iterations: int) -> None:
    """Our fit alone, from the tree to coordinates."""
    points = distinct_points(root_at_midpoint(trees.tree_arrays(tree)))
    scale = RADIUS / points.height
    direction = tree_directions(points.parent, scale * points.node_depth, DIM, 0)[points.node]
    fit(scale * points.depth, direction, stage.pairs_of(points, OPTIONS, 0), scale, iterations)


def edge_loss_epochs(tree, epochs: int) -> None:
    """Epochs of the edge loss over all nodes."""
    arrays = trees.tree_arrays(tree)
    generator = torch.Generator().manual_seed(0)
    z = ManifoldParameter(1e-2 * torch.randn(len(arrays.parent), DIM, generator=generator), PoincareBall(c=1.0))
    optimizer = RiemannianAdam([z], lr=0.01)
    child = torch.arange(1, len(arrays.parent))
    parent, length = torch.from_numpy(arrays.parent[1:]), torch.from_numpy(arrays.length[1:]).float()
    apart = torch.ones(len(z), len(z), dtype=torch.bool).triu(1)
    apart[torch.minimum(child, parent), torch.maximum(child, parent)] = False
    for _ in range(epochs):
        optimizer.zero_grad()
        distance = gram_distances(z)
        loss = ((distance[child, parent] - length) ** 2).sum()
        loss = loss + HINGE * (torch.relu(TAU - distance) * apart).sum()
        loss.backward()
        optimizer.step()


def gram_distances(z: torch.Tensor) -> torch.Tensor:
    """All distances [M, M] of ball coordinates z [M, d] from their inner products."""
    square = (z**2).sum(dim=1)
    chord = (square[:, None] + square[None, :] - 2 * z @ z.T).clamp_min(0)
    return torch.acosh(1 + 2 * chord / ((1 - square)[:, None] * (1 - square)[None, :]) + 1e-7)
