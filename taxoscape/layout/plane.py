"""Points of the plane for taxa: t-SNE on distances, the tree drawn as a circle, or hyperbolic maps of it."""

import numpy as np
import scipy.linalg
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from taxoscape.embedding.fit import fit
from taxoscape.embedding.pairs import Pairs

# Hyperbolic radius of the 2-D embedding. On the 178 taxa of ECAM, 64 cells, recall and family purity were 0.60 and 0.87
# at 2, 0.63 and 0.90 at 4, 0.61 and 0.87 at 7, 0.59 and 0.86 at 12: two dimensions have room for less than 32.
PLANE_RADIUS = 4.0
PLANE_ITERATIONS = 1000  # of L-BFGS at most
FEWEST = 8  # taxa; below it t-SNE has no neighbourhoods to keep and principal coordinates are taken


def principal_coordinates(distances: np.ndarray) -> np.ndarray:
    """First two principal coordinates [n, 2] of distances [n, n] (classical scaling; Gower 1966).

    Signs are set so that the largest coordinate of each axis is positive.
    """
    squared = distances**2
    centred = -0.5 * (squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean())
    count = len(distances)
    values, vectors = scipy.linalg.eigh(centred, subset_by_index=[max(count - 2, 0), count - 1])
    points = (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1]
    points = np.pad(points, [(0, 0), (0, 2 - points.shape[1])])
    peak = points[np.abs(points).argmax(axis=0), np.arange(2)]
    return points * np.where(peak < 0, -1.0, 1.0)


@threadpool_limits.wrap(limits=1)  # the sums of more threads depend on their timing
def tsne(distances: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """t-SNE points [n, 2] of distances [n, n], started from principal coordinates (Kobak & Berens 2019).

    The perplexity is at most a third of the taxa.
    """
    start = principal_coordinates(distances)
    if len(distances) < FEWEST:
        return start
    start = start / max(start[:, 0].std(), np.finfo(float).tiny) * 1e-4
    method = TSNE(
        metric="precomputed",
        init=start,
        perplexity=min(perplexity, (len(distances) - 1) / 3),
        learning_rate="auto",
        random_state=seed,
    )
    return method.fit_transform(distances).astype(np.float64)


def circular(order: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Circular phylogram [n, 2]: taxon i at angle 2 pi order_i / n and at its distance from the root.

    order [n] = places of the taxa in a preorder walk of the tree, so that a clade fills one sector; depth [n] in
    substitutions/site. Radii are ranks, evenly filling the outer three quarters of the disc's area: root-to-tip
    lengths hardly differ, and taxa would share cells.
    """
    angle = 2 * np.pi * np.argsort(np.argsort(order, kind="stable"), kind="stable") / len(order)
    rank = np.argsort(np.argsort(depth, kind="stable"), kind="stable") / max(len(depth) - 1, 1)
    radius = np.sqrt(0.25 + 0.75 * rank)
    return np.stack([-radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def poincare(distances: np.ndarray, order: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Direct 2-D hyperbolic embedding [n, 2] of distances [n, n], by relative stress, started from the circular tree.

    order [n], depth [n] as `circular` takes them. Drawn with the hyperbolic distance from the centre as radius: on
    the Poincare disc itself, tanh(r / 2), most tips crowd at the rim.
    """
    start = circular(order, depth)
    if not distances.max() > 0:
        return start
    count, scale = len(distances), PLANE_RADIUS / max(depth.max(), distances.max() / 2)
    first, second = np.triu_indices(count, 1)
    groups = np.concatenate([[0], np.cumsum(np.arange(count - 1, -1, -1))])
    pairs = Pairs(groups, second, distances[first, second], np.ones(len(first)))
    direction = start / np.linalg.norm(start, axis=1, keepdims=True)
    radius, direction, _ = fit(scale * depth, direction, lambda chart: pairs, scale, PLANE_ITERATIONS)
    return radius[:, None] * direction


def stereographic(ball: np.ndarray) -> np.ndarray:
    """First two ball coordinates [n, 2] of an embedding [n, d], the hyperboloid's stereographic projection.

    A map for comparison: the other d - 2 dimensions are dropped, and with them most neighbours.
    """
    return np.asarray(ball, dtype=np.float64)[:, :2]
