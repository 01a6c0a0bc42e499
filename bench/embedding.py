"""Embedding in 32 dimensions: ours beside the loss on branches, beside Euclidean stress, and as trees grow.

The other side of the first rows is the loss on branches (squared hinge) with its optimizer as it is usually run (loss:
edges, optimizer: radam): float32, a random start, lr 0.01, 5,000 steps over all nodes, run through in the cheaper Gram
form.
Trees are those of public studies where TAXOSCAPE_DATA has them, and simulated where not; the notes say which.
"""

import os
from dataclasses import replace
from pathlib import Path
from time import process_time

import numba
import numpy as np
import torch
import yaml
from skbio import TreeNode

from bench.unifrac import random_tree
from taxoscape import tables, trees
from taxoscape.compiled import use_threads
from taxoscape.embedding import embed as stage
from taxoscape.embedding.fit import fit_euclidean
from taxoscape.embedding.midpoint import root_at_midpoint
from taxoscape.embedding.options import EmbeddingOptions
from taxoscape.embedding.points import Points, distinct_points
from taxoscape.embedding.radam import fit_edges
from taxoscape.embedding.start import tree_offsets
from taxoscape.trees import TreeArrays

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("TAXOSCAPE_DATA", ROOT.parent / "shared" / "data"))
OPTIONS = EmbeddingOptions(**yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["embedding"])
TIPS, EPOCHS, FINE = 452, 5000, 24.0
CONVERGED = 5000  # iterations of the Euclidean fit at most; it stops where nothing is gained any more
SIZES = (1250, 2500, 5000, 10_000)
STEPS = 200  # iterations of each size, stratified pairs for all: sizes are compared at equal work per pair
SMOKE = {"DATA": Path("not available"), "TIPS": 20, "EPOCHS": 3, "CONVERGED": 5, "SIZES": (20, 40), "STEPS": 3}


def rows() -> list[dict]:
    """Speed and quality on 452 tips, errors beside Euclidean stress, seconds by the size of the tree."""
    threads = numba.get_num_threads(), torch.get_num_threads()
    use_threads(1)
    torch.set_num_threads(1)
    stage.embed(random_tree(20, np.random.default_rng(0)), OPTIONS, 0)  # compiles
    tree, name = prevalent_tips()
    points, arrays = placed_points(tree)
    found = [*beside_edges(points, arrays, name), *beside_euclidean(points, arrays, name), *growth()]
    use_threads(threads[0])
    torch.set_num_threads(threads[1])
    return found


def prevalent_tips() -> tuple[TreeNode, str]:
    """The 452 most prevalent OTUs of the global gut on their tree, or a simulated tree."""
    folder = DATA / "globalgut_yatsunenko"
    if not folder.is_dir():
        return random_tree(TIPS, np.random.default_rng(0)), "a simulated tree (TAXOSCAPE_DATA has no global gut)"
    tree, table = trees.read_tree(folder / "tree.nwk"), tables.read_table(folder / "table.biom")
    known = {tip.name for tip in tree.tips()}
    prevalence = np.asarray((table.matrix_data > 0).sum(axis=1)).ravel()
    ids = table.ids(axis="observation")[np.argsort(-prevalence, kind="stable")]
    return tree.shear([name for name in ids if name in known][:TIPS]), "global gut, the most prevalent OTUs"


def placed_points(tree: TreeNode) -> tuple[Points, TreeArrays]:
    arrays = root_at_midpoint(trees.tree_arrays(tree))
    return distinct_points(arrays), arrays


def embedded(points: Points, arrays: TreeArrays, options: EmbeddingOptions = OPTIONS) -> tuple[dict, float]:
    """Quality of our fit, and its CPU seconds from the tree's arrays to coordinates."""
    scale = options.radius / points.height
    start = process_time()
    draw = stage.pairs_of(points, options, 0)
    radius, direction, _ = stage.placed(arrays, points, draw, scale, options, 0)
    seconds = process_time() - start
    return stage.measured(points, radius, direction, scale, 0), seconds


def beside_edges(points: Points, arrays: TreeArrays, name: str) -> list[dict]:
    """CPU seconds and quality of ours beside the loss on branches."""
    start = process_time()
    radius, direction = fit_edges(arrays, OPTIONS.dim, EPOCHS, 0, torch.float32)
    other_seconds = process_time() - start
    other = stage.measured(points, radius[points.node], direction[points.node], 1.0, 0)
    runs = [embedded(points, arrays) for _ in range(3)]
    quality, ours = runs[0][0], float(np.median([seconds for _, seconds in runs]))
    what = f"embedding, {len(points.node)} tips, d {OPTIONS.dim}: "
    note = (
        f"{name}; CPU seconds, one thread; ours median of 3, other {EPOCHS:,} steps over {len(arrays.parent)} nodes, "
        "Gram form"
    )
    found = [row(what + "time against the loss on branches", ours, other_seconds, other_seconds / ours, "s", note)]
    for key, unit in MEASURES.items():
        found.append(row(what + key, quality[key], other[key], np.nan, unit, f"{name}; R {OPTIONS.radius:g}"))
    return found


MEASURES = {
    "pearson": "correlation",
    "spearman": "correlation",
    "mean_error": "share",
    "within_10": "share",
    "within_5": "share",
    "worst_ratio": "ratio",
    "depth_radius": "correlation",
}


def beside_euclidean(points: Points, arrays: TreeArrays, name: str) -> list[dict]:
    """Mean relative error at the default and at the fine radius, beside converged Euclidean stress."""
    scale = OPTIONS.radius / points.height
    position = tree_offsets(points.parent, arrays.length, OPTIONS.dim, 0)[points.node]
    position, used = fit_euclidean(position, stage.pairs_of(points, OPTIONS, 0), scale, CONVERGED)
    flat = stage.measured_flat(points, position, 0)["mean_relative_error"]
    found = []
    for radius in (OPTIONS.radius, FINE):
        quality, seconds = embedded(points, arrays, replace(OPTIONS, radius=radius))
        error = quality["mean_relative_error"]
        what = f"embedding, {len(points.node)} tips, d {OPTIONS.dim}: mean relative error at R {radius:g}"
        note = f"{name}; Euclidean stress, {used} iterations to convergence; ours {seconds:.3g} s"
        found.append(row(what, error, flat, flat / error, "share", note))
    return found


def growth() -> list[dict]:
    """CPU seconds of a fit on trees of more and more tips, and the exponent of tips that they follow."""
    path = DATA / "ibd_2538" / "tree.nwk"
    if path.is_file():
        tree, name = trees.read_tree(path), "random tips of the tree of IBD-2538"
    else:
        tree, name = random_tree(SIZES[-1], np.random.default_rng(0)), "random tips of a simulated tree"
    names = [tip.name for tip in tree.tips()]
    options = replace(OPTIONS, pairs_up_to=0, iterations=STEPS)
    found, sizes, seconds = [], [], []
    for size in SIZES:
        chosen = np.random.default_rng(0).permutation(names)[:size]
        points, arrays = placed_points(tree.shear(chosen))
        quality, took = embedded(points, arrays, options)
        sizes.append(len(points.node))
        seconds.append(took)
        note = (
            f"{name}; stratified pairs, {STEPS} iterations; within 10 %: {quality['within_10']:.2%}, "
            f"mean relative error {quality['mean_relative_error']:.4f}"
        )
        if len(sizes) == len(SIZES):
            note += f"; seconds grow with tips to the power {np.polyfit(np.log(sizes), np.log(seconds), 1)[0]:.2f}"
        found.append(row(f"embedding, {len(points.node)} places", took, np.nan, np.nan, "s", note))
    fine, took = embedded(points, arrays, replace(options, radius=FINE))
    what = f"embedding, {len(points.node)} places, R {FINE:g}: share within 10 %, beside R {OPTIONS.radius:g}"
    note = f"{name}; {took:.3g} s, {STEPS} iterations; mean relative error {fine['mean_relative_error']:.4f}"
    found.append(row(what, fine["within_10"], quality["within_10"], np.nan, "share", note))
    return found


def row(name: str, ours: float, other: float, ratio: float, unit: str, note: str) -> dict:
    return {
        "name": name,
        "ours": float(ours),
        "other": float(other),
        "ratio": float(ratio),
        "unit": unit,
        "note": note,
    }
