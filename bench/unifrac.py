"""UniFrac between 64 samples: our matrix product beside scikit-bio's beta_diversity, on one simulated table."""

from time import perf_counter

import numpy as np
from skbio import TreeNode
from skbio.diversity import beta_diversity

from taxoscape import trees, unifrac

SAMPLES, TAXA = 64, 2000
SMOKE = {"SAMPLES": 4, "TAXA": 20}


def rows() -> list[dict]:
    """Seconds for all distances between 64 samples of 2,000 taxa, both sides in the same call."""
    rng = np.random.default_rng(0)
    tree = random_tree(TAXA, rng)
    arrays = trees.tree_arrays(tree)
    counts = rng.negative_binomial(0.1, 0.02, size=(SAMPLES, TAXA))
    found = []
    for metric, name, options in (
        ("unweighted", "unweighted_unifrac", {}),
        ("weighted_normalized", "weighted_unifrac", {"normalized": True}),
    ):
        ours, distances = timed(lambda metric=metric: unifrac.distances(counts, arrays, metric), 5)
        other, expected = timed(
            lambda name=name, options=options: (
                beta_diversity(name, counts, taxa=arrays.tips, tree=tree, validate=False, **options).data
            ),
            2,
        )
        found.append(
            {
                "name": f"{metric} UniFrac, {SAMPLES} samples x {TAXA} taxa",
                "ours": ours,
                "other": other,
                "ratio": other / ours,
                "unit": "s",
                "note": f"scikit-bio; largest difference {np.abs(distances - expected).max():.1e}",
            }
        )
    return found


def timed(call, repeats: int) -> tuple[float, object]:
    """Shortest of several runs in seconds, and the result."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        result = call()
        times.append(perf_counter() - start)
    return min(times), result


def random_tree(tips: int, rng: np.random.Generator) -> TreeNode:
    """Random rooted binary tree with exponential lengths of mean 0.05 substitutions/site."""
    nodes = [TreeNode(f"t{tip}", length=rng.exponential(0.05)) for tip in range(tips)]
    while len(nodes) > 1:
        pair = [nodes.pop(rng.integers(len(nodes))) for _ in range(2)]
        nodes.append(TreeNode(length=rng.exponential(0.05), children=pair))
    nodes[0].length = None  # scikit-bio would count a branch above the root
    return nodes[0]
