"""Path lengths between all tips: our running minima in blocks beside scikit-bio's cophenet, on simulated trees."""

import numpy as np

from bench.unifrac import random_tree, timed
from taxoscape import trees

SIZES = (452, 10_000)
SMOKE = {"SIZES": (20, 30)}


def rows() -> list[dict]:
    """Seconds for the matrix of distances between tips, both sides in the same call, from the same tree object."""
    return [row(tips) for tips in SIZES]


def row(tips: int) -> dict:
    """Both sides on one tree, the best of several times each."""
    tree = random_tree(tips, np.random.default_rng(0))
    times = 5 if tips < 1000 else 3
    ours, distances = timed(lambda: trees.patristic_distances(trees.tree_arrays(tree)), times)
    other, expected = timed(lambda: tree.cophenet(), times)
    order = [expected.index(tip) for tip in trees.tree_arrays(tree).tips]
    difference = max(
        np.abs(own - expected.data[place, order]).max() for own, place in zip(distances, order, strict=True)
    )
    return {
        "name": f"patristic distances, {tips:,} tips",
        "ours": ours,
        "other": other,
        "ratio": other / ours,
        "unit": "s",
        "note": f"scikit-bio's cophenet; largest difference {difference:.1e}",
    }
