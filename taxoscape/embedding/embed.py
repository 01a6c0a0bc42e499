"""Embed: a tree in, coordinates of its tips and the measured quality out.

Unifurcations do not matter, negative lengths count as 0, tips at one place share a point, and the centre of the ball
is the middle of the longest path: the height is half the diameter wherever the tree was rooted.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from skbio import TreeNode

from taxoscape import trees
from taxoscape.embedding.fit import fit, fit_euclidean
from taxoscape.embedding.geometry import polar_distance, to_ball
from taxoscape.embedding.midpoint import root_at_midpoint
from taxoscape.embedding.options import EmbeddingOptions, check_embedding
from taxoscape.embedding.pairs import Pairs, all_pairs, stratified_pairs
from taxoscape.embedding.points import Points, diameter, distinct_points, path_lengths
from taxoscape.embedding.quality import correlation, distance_quality, neighbour_recall, sampled_pairs, saturated_pairs
from taxoscape.embedding.start import tree_directions, tree_offsets
from taxoscape.errors import InputError
from taxoscape.trees import TreeArrays


def embed(tree: TreeNode, options: EmbeddingOptions, seed: int) -> tuple[dict[str, np.ndarray], dict]:
    """Embed the tips of a tree: arrays of poincare.npz (tips in the tree's order) and the content of quality.json.

    The pairs of distances, and so the result, depend on the seed but not on the number of threads. Loss `edges`
    takes lengths as they are (scale 1). Raises InputError for options that do not go together, where fewer than two
    tips lie at different places or where the quality is below min_pearson.
    """
    check_embedding(options)
    given = trees.tree_arrays(tree)
    arrays = root_at_midpoint(replace(given, length=np.maximum(given.length, 0.0)))
    points = distinct_points(arrays)
    stretch = options.radius / points.height  # hyperbolic units per substitution/site
    scale = 1.0 if options.loss == "edges" else stretch
    draw = pairs_of(points, options, seed)
    print(f"{len(arrays.tips)} tips at {len(points.node)} places, height {points.height:g}, scale {scale:g}")
    radius, direction, used = placed(arrays, points, draw, scale, options, seed)
    position = tree_offsets(points.parent, arrays.length, options.dim, seed)[points.node]
    position, used_flat = fit_euclidean(position, draw, stretch, options.iterations)
    quality = {
        "tips": len(arrays.tips),
        "points": len(points.node),
        "height": points.height,
        "diameter": diameter(points),
        "levels": int(trees.levels(arrays).max()),
        "scale": scale,
        "dim": options.dim,
        "loss": options.loss,
        "optimizer": options.optimizer,
        "radius": scale * points.height,
        "pairs_fitted": "all" if len(points.node) <= options.pairs_up_to else "stratified",
        "iterations": used,
        **measured(points, radius, direction, scale, seed),
        "euclidean": {"iterations": used_flat, **measured_flat(points, position, seed)},
    }
    check_quality(quality, options)
    place = dict(zip(arrays.tips, points.of_tip, strict=True))
    at = np.array([place[tip] for tip in given.tips])
    coordinates = {"radius": radius[at], "direction": direction[at], "z": to_ball(radius[at], direction[at])}
    return {
        "tips": np.array(given.tips),
        **coordinates,
        "scale": np.float64(scale),
        "height": np.float64(points.height),
    }, quality


def check_quality(quality: dict, options: EmbeddingOptions) -> None:
    """Raise InputError where path lengths are kept worse than min_pearson asks for; NaN (all equal) passes."""
    if quality["pearson"] < options.min_pearson:
        way_out = {
            "relative": "raise embedding.dim, embedding.radius or embedding.iterations, or look for extreme branches "
            "in the tree",
            "edges": "embedding.loss=edges minimizes branches, not paths: set embedding.loss: relative and "
            "embedding.optimizer: lbfgs, or lower embedding.min_pearson to see it beside them",
        }
        raise InputError(
            f"the embedding keeps path lengths with Pearson {quality['pearson']:.4f} only, below "
            f"embedding.min_pearson={options.min_pearson:g} (Euclidean: {quality['euclidean']['pearson']:.4f}): "
            f"{way_out[options.loss]}"
        )


def placed(
    tree: TreeArrays,
    points: Points,
    draw: Callable[[int], Pairs],
    scale: float,
    options: EmbeddingOptions,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Radius [n] and direction [n, d] of the points by the chosen loss and optimizer, and the iterations used."""
    if options.loss == "edges":
        from taxoscape.embedding.radam import fit_edges  # torch takes seconds to load: only where it is used

        radius, direction = fit_edges(tree, options.dim, options.iterations, seed)
        return radius[points.node], direction[points.node], options.iterations
    direction = tree_directions(points.parent, scale * points.node_depth, options.dim, seed)[points.node]
    if options.optimizer == "radam":
        from taxoscape.embedding.radam import fit_relative

        return fit_relative(scale * points.depth, direction, draw, scale, options.iterations)
    return fit(scale * points.depth, direction, draw, scale, options.iterations)


def pairs_of(points: Points, options: EmbeddingOptions, seed: int) -> Callable[[int], Pairs]:
    """Pairs for each chart: all of them on small trees, else a fresh stratified draw."""
    if len(points.node) <= options.pairs_up_to:
        pairs = all_pairs(points)
        return lambda chart: pairs
    return lambda chart: stratified_pairs(points, options.partners, (seed, chart))


def measured(points: Points, radius: np.ndarray, direction: np.ndarray, scale: float, seed: int) -> dict:
    """Quality of polar coordinates, radius [n] and direction [n, d], distances divided by the scale."""

    def between(i: np.ndarray | int, j: np.ndarray | slice) -> np.ndarray:
        return polar_distance(radius[i], direction[i], radius[j], direction[j])

    first, second = sampled_pairs(len(radius), seed)
    z = to_ball(radius, direction)
    return {
        "pairs_evaluated": len(first),
        **compared(points, between, scale, radius, seed),
        "saturated_pairs": saturated_pairs(between(first, second), z[first], z[second]),
    }


def measured_flat(points: Points, position: np.ndarray, seed: int) -> dict:
    """Quality of Euclidean coordinates [n, d] on the same pairs."""

    def between(i: np.ndarray | int, j: np.ndarray | slice) -> np.ndarray:
        return np.sqrt(((position[i] - position[j]) ** 2).sum(axis=-1))

    centre = np.sqrt(((position - position.mean(axis=0)) ** 2).sum(axis=1))
    return compared(points, between, 1.0, centre, seed)


def compared(points: Points, between: Callable, scale: float, radius: np.ndarray, seed: int) -> dict:
    """Quality of the distances `between(i, j)` of points, divided by the scale, and of their radius [n] as depth."""
    first, second = sampled_pairs(len(radius), seed)
    return {
        **distance_quality(path_lengths(points, first, second), between(first, second) / scale),
        "recall_10nn": neighbour_recall(points, lambda i: between(i, slice(None)), seed),
        "depth_radius": correlation(points.depth, radius),
    }
