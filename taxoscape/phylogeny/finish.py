"""Finish a tree: negative and long branches mended, rooted, nothing left but the ASVs."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from skbio import TreeNode

from taxoscape import tables
from taxoscape.phylogeny.rooting import (
    cap_pendants,
    clamp_lengths,
    is_rooted,
    members,
    root_at_midpoint,
    root_at_outgroup,
    shear,
)


def finish(
    tree: TreeNode, features: Sequence[str], lineages: pd.Series | None, config: dict, source: str
) -> tuple[TreeNode, dict]:
    """Clamp and cap lengths, root, and cut back to the features -> tree, and what was done to it.

    References of an insertion take part in the rooting, so an outgroup may be one of them.
    """
    negative = clamp_lengths(tree)
    capped = cap_pendants(tree, features, config["max_pendant"])
    tree = rooted(tree, lineages, config)
    references = sum(1 for _ in tree.tips()) - len(features)
    if references:
        tree = tree.shear(features)
        tree.length = None
    changes = {"source": source, "root": config["root"], "negative_lengths": negative, "references": references}
    return tree, changes | {"capped_total": len(capped), "capped": capped[:20]}


def rooted(tree: TreeNode, lineages: pd.Series | None, config: dict) -> TreeNode:
    """Root a tree as the config asks."""
    match config["root"]:
        case "outgroup":
            tips = [tip.name for tip in tree.tips()]
            return root_at_outgroup(tree, members(config["outgroup"], tips, lineages))
        case "reference":
            return tree
    return root_at_midpoint(tree)


def take(
    tree: TreeNode, features: Sequence[str], lineages: pd.Series | None, config: dict, path: str | Path
) -> tuple[TreeNode, dict]:
    """Take a study's own tree: cut back to the features, lengths clamped, rooted -> tree, and what was done to it.

    An outgroup roots it before it is cut back; else it keeps a root that it has, and is rooted where it has none.
    """
    known = set(features)
    for tip in tree.tips():
        tip.name = tables.known_as(tip.name, known)
    negative = clamp_lengths(tree)
    own = is_rooted(tree) and config["root"] == "midpoint"
    if config["root"] == "outgroup":
        tree = rooted(tree, lineages, config)
    tree, lacking = shear(tree, features, path, config["missing_tips"])
    print(f"{len(lacking):,} of {len(features):,} features are not in {path}")
    if config["root"] == "midpoint" and not own:
        tree = root_at_midpoint(tree)
    return tree, {"source": "given", "root": "given" if own else config["root"], "negative_lengths": negative}
