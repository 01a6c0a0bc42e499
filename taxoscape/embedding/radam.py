"""RiemannianAdam of geoopt on ball coordinates: the library's way to fit, beside ours.

Adam with steps along the ball (Becigneul & Ganea 2019, Riemannian adaptive optimization methods). Float64 on one
thread, so that two runs give the same bytes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from geoopt import ManifoldParameter, PoincareBall
from geoopt.optim import RiemannianAdam

from taxoscape.embedding.edges import edge_loss, pairs_apart
from taxoscape.embedding.fit import CHART, FLOORS
from taxoscape.embedding.geometry import from_ball, to_ball
from taxoscape.embedding.pairs import Pairs
from taxoscape.errors import InputError
from taxoscape.trees import TreeArrays

RATE = 0.01  # hyperbolic length of a step of the loss on branches, about
# Of the first step of the relative stress: on 40 simulated tips, 600 steps end at a mean relative error of 0.0135 from
# 0.01 and of 0.0055 from 0.3 (L-BFGS: 0.0045).
FIRST_RATE = 0.3
SPREAD = 0.01  # of the random start of the loss on branches, around the centre
MOST_NODES = 4000  # of the loss on branches: every pair of nodes is one entry of a dozen matrices, 128 MB each
BLOCK = 200_000  # pairs worked out together: 50 MB at 32 dimensions, a dozen times
BALL = PoincareBall(c=1.0)


def fit_relative(
    radius: np.ndarray, direction: np.ndarray, draw: Callable[[int], Pairs], scale: float, iterations: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Move points (radius [n], direction [n, d]) to distances scale x path length; adds the iterations used.

    The same sum over the same draws of pairs as in fit.fit. Steps shrink linearly to none.
    """
    with one_thread():
        z = ManifoldParameter(torch.from_numpy(to_ball(radius, direction)), manifold=BALL)
        optimizer = RiemannianAdam([z], lr=FIRST_RATE)
        shrink = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, iterations)
        for used in range(iterations):
            if used % CHART == 0:
                chart = used // CHART
                losses = relative_stress(z, draw(chart), scale, FLOORS[min(chart, len(FLOORS) - 1)])
            descend(optimizer, losses)
            shrink.step()
        return *from_ball(z.detach().numpy()), iterations


def relative_stress(z: torch.Tensor, pairs: Pairs, scale: float, floor: float) -> list[Callable[[], torch.Tensor]]:
    """The sum that fit.fit minimizes, of ball coordinates z [n, d] by geoopt's distance, in blocks of pairs."""
    first, second = torch.from_numpy(pairs.first), torch.from_numpy(pairs.second)
    length = torch.from_numpy(scale * pairs.length)
    weight = torch.from_numpy(pairs.weight) / length.clamp_min(floor) ** 2
    blocks = zip(*(values.split(BLOCK) for values in (first, second, length, weight)), strict=True)

    def loss_of(first, second, length, weight) -> Callable[[], torch.Tensor]:
        return lambda: (weight * (BALL.dist(z[first], z[second]) - length) ** 2).sum()

    return [loss_of(*block) for block in blocks]


def fit_edges(
    tree: TreeArrays, dim: int, iterations: int, seed: int, dtype: torch.dtype = torch.float64
) -> tuple[np.ndarray, np.ndarray]:
    """Radius [M] and direction [M, dim] of every node by the loss on branches, from a random start at the centre.

    Raises InputError for trees of more than MOST_NODES nodes.
    """
    if len(tree.parent) > MOST_NODES:
        raise InputError(
            f"embedding.loss=edges compares every pair of nodes, and the tree has {len(tree.parent):,}, more than "
            f"{MOST_NODES:,}: set embedding.loss: relative"
        )
    with one_thread():
        start = SPREAD * np.random.default_rng(seed).standard_normal((len(tree.parent), dim))
        z = ManifoldParameter(torch.from_numpy(start).to(dtype), manifold=BALL)
        parent, length = torch.from_numpy(tree.parent), torch.from_numpy(tree.length).to(dtype)
        apart, optimizer = pairs_apart(parent), RiemannianAdam([z], lr=RATE)
        for _ in range(iterations):
            descend(optimizer, [lambda: edge_loss(z, parent, length, apart)])
        return from_ball(z.detach().double().numpy())


def descend(optimizer: torch.optim.Optimizer, losses: list[Callable[[], torch.Tensor]]) -> None:
    """One step down the sum of the losses."""
    optimizer.zero_grad()
    for loss in losses:
        loss().backward()
    optimizer.step()


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order: torch on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
