"""What a tree is like: its size, its long branches, and whether the lineages are clades in it."""

from collections.abc import Sequence

import numpy as np
from skbio import TreeNode

from taxoscape import trees
from taxoscape.tables import read_tsv
from taxoscape.taxonomy.lineages import RANKS, rank_names
from taxoscape.trees import TreeArrays

# A single branch longer than this share of the tree's height sets the scale of everything drawn from the tree.
LONG = 0.5
# Distances are described on so many tips at most, evenly spaced in the tree's order.
MOST_TIPS = 2000
QUANTILES = {"min": 0, "lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75, "max": 1}


def describe(tree: TreeArrays) -> dict:
    """Tips, nodes, height, diameter (substitutions/site), levels, root-to-tip depths, branch lengths, polytomies."""
    depth, level = trees.depths(tree), trees.levels(tree)
    pendant = tree.length[tree.tip_node]
    height = depth[tree.tip_node].max()
    long = np.flatnonzero(pendant > LONG * height)
    long = long[np.argsort(-pendant[long], kind="stable")]
    children = np.bincount(tree.parent[1:], minlength=len(tree.parent))
    return {
        "tips": len(tree.tips),
        "nodes": len(tree.parent),
        "height": height,
        "diameter": diameter(tree),
        "levels": int(level.max()),
        "root_to_tip": quantiles(depth[tree.tip_node]),
        "total_length": tree.length.sum(),
        "branch_lengths": quantiles(tree.length[1:]),
        "zero_branches": int((tree.length[1:] == 0).sum()),
        "coincident_tips": coincident(tree),
        "polytomies": int((children > 2).sum()),
        "long_branches": [{"tip": tree.tips[tip], "length": pendant[tip]} for tip in long[:20]],
        "long_branches_total": len(long),
    }


def quantiles(values: np.ndarray) -> dict[str, float]:
    """Extremes, quartiles and median of some numbers."""
    return {name: float(np.quantile(values, share)) for name, share in QUANTILES.items()}


def coincident(tree: TreeArrays) -> int:
    """Tips that lie on another tip: no branch between them has a length."""
    depth = trees.depths(tree)
    # Node that stands at the upper end of the zero-length branches above each node, itself where there are none.
    top = np.arange(len(tree.parent))
    for node in range(1, len(top)):  # parents come first
        top[node] = top[tree.parent[node]] if depth[node] == depth[tree.parent[node]] else node
    _, place, count = np.unique(top[tree.tip_node], return_inverse=True, return_counts=True)
    return int((count[place] > 1).sum())


def distances(tree: TreeArrays) -> dict:
    """Quantiles of the path lengths between tips, of MOST_TIPS tips at most, and the number of tips taken."""
    count = len(tree.tips)
    taken = np.unique(np.linspace(0, count - 1, min(count, MOST_TIPS)).round().astype(int))
    pairs = trees.patristic_distances(tree, taken)[np.triu_indices(len(taken), 1)]
    return {"tips": len(taken), **quantiles(pairs)}


def supports(tree: TreeNode, calls: Sequence[dict]) -> dict | None:
    """Kind, number and quantiles of the labels of inner branches; None where no call gave any.

    Both sides of the root are one branch and carry one label, which counts once.
    """
    kind = next((call["support"] for call in calls if "support" in call), None)
    halves = [node for node in tree.children if node.children]
    twice = halves[1:] if len(tree.children) == 2 else []
    nodes = [node for node in tree.non_tips() if node.name and not any(node is other for other in twice)]
    if kind is None or not nodes:
        return None
    return {"kind": kind, "branches": len(nodes), **quantiles(np.array([float(node.name) for node in nodes]))}


def columns(mask: str | Sequence) -> dict | None:
    """Columns of the alignment and of the masked one (table of the mask); None for a tree made without a mask."""
    if not mask:
        return None
    kept = read_tsv(mask, "mask")["kept"] == "1"
    return {"total": len(kept), "kept": int(kept.sum()), "share": kept.mean()}


def placements(places: str | Sequence) -> dict | None:
    """Pendant lengths and likelihood shares of the ASVs' places on a reference tree; None where there are none.

    A share says how sure the place is, 1 = no other comes near.
    """
    if not places:
        return None
    frame = read_tsv(places, "placements")
    columns = {"pendant_length": "pendant_length", "like_weight_ratio": "likelihood_share"}
    return {name: quantiles(frame[column].astype(float).to_numpy()) for column, name in columns.items()}


def diameter(tree: TreeArrays) -> float:
    """Longest path between two tips: at some node, the two deepest tips of different children meet."""
    deepest = np.zeros(len(tree.parent))  # longest way down from each node
    longest = 0.0
    for node in range(len(tree.parent) - 1, 0, -1):  # children come after their parent, so all of them are done
        above = tree.parent[node]
        way = deepest[node] + tree.length[node]
        longest = max(longest, deepest[above] + way)
        deepest[above] = max(deepest[above], way)
    return longest


def clade_agreement(tree: TreeArrays, taxa: Sequence[str]) -> dict:
    """Lineages of the tips [n] -> per rank, the share of the taxa with two tips or more that form a clade.

    A taxon is a clade when the tips below its last common ancestor that have a name at this rank are all its own.
    """
    names = [rank_names(taxon) for taxon in taxa]
    first, last = trees.stretches(tree.parent, tree.tip_node)
    joins = tree.parent[tree.tip_node[:-1] + 1]
    result = {}
    for level, rank in enumerate(RANKS.values()):
        members: dict[tuple, list[int]] = {}
        for tip, ranks in enumerate(names):
            if len(ranks) > level:
                members.setdefault(tuple(ranks[: level + 1]), []).append(tip)
        named = np.concatenate([[0], np.cumsum([len(ranks) > level for ranks in names])])
        groups = [tips for tips in members.values() if len(tips) > 1]
        ancestors = [joins[tips[0] : tips[-1]].min() for tips in groups]
        clades = sum(
            named[last[ancestor]] - named[first[ancestor]] == len(tips)
            for ancestor, tips in zip(ancestors, groups, strict=True)
        )
        result[rank] = {"taxa": len(groups), "clades": int(clades), "share": clades / len(groups) if groups else None}
    return result
