"""Root a tree between an outgroup and all the rest."""

from collections.abc import Sequence

import pandas as pd
from skbio import TreeNode

from taxoscape.errors import InputError, examples
from taxoscape.phylogeny.rooting import root_at_midpoint, with_supports


def members(outgroup: Sequence[str], tips: Sequence[str], lineages: pd.Series | None) -> list[str]:
    """Tips that an outgroup stands for: ids of tips, and parts of lineages such as `k__Archaea`.

    `lineages` gives the lineage of tips by id. Raises InputError for names that stand for no tip, or for all of them.
    """
    known = set(tips)
    ranks = {} if lineages is None else {tip: lineages[tip].split("; ") for tip in tips if tip in lineages.index}
    found: set[str] = set()
    for name in outgroup:
        part = lineage_part(name)
        those = {name} & known or {tip for tip, parts in ranks.items() if part and part in parts}
        if not those:
            raise InputError(
                f"phylogeny.outgroup names {name!r}, which is neither a tip of the tree ({examples(tips)}) nor in the "
                "lineage of one: name ids, or a part of a lineage such as k__Archaea, or set phylogeny.root: midpoint"
            )
        found |= those
    if len(found) == len(known):
        raise InputError(f"phylogeny.outgroup ({examples(outgroup)}) stands for all {len(known):,} tips of the tree")
    return [tip for tip in tips if tip in found]


def lineage_part(name: str) -> str | None:
    """Part of a lineage as our lineages spell it (domains as k__), None for what is no such part."""
    letter, mark, rest = name.partition("__")
    return f"{'k' if letter == 'd' else letter}__{rest}" if mark and len(letter) == 1 else None


def root_at_outgroup(tree: TreeNode, outgroup: Sequence[str]) -> TreeNode:
    """Root a tree half-way along the branch that parts the outgroup from all other tips; supports stay in place.

    Raises InputError when there is no such branch, naming the tips that stand among the outgroup.
    """
    inside, count = set(outgroup), {}
    for node in tree.postorder():
        own = (node.name in inside, True) if not node.children else (0, 0)
        count[id(node)] = tuple(sum(parts) for parts in zip(own, *(count[id(c)] for c in node.children), strict=True))
    total = sum(1 for _ in tree.tips())

    def strangers(node: TreeNode) -> int:
        """Tips on the side of the branch that holds the whole outgroup, the outgroup apart."""
        ours, all_of_them = count[id(node)]
        sides = [(ours, all_of_them), (len(inside) - ours, total - all_of_them)]
        return min((size - len(inside) for held, size in sides if held == len(inside)), default=total)

    best = min(tree.preorder(include_self=False), key=strangers)
    if strangers(best):
        below = {tip.name for tip in best.tips(include_self=True)}
        side = below if inside <= below else {tip.name for tip in tree.tips()} - below
        raise InputError(
            f"phylogeny.outgroup ({len(inside):,} tips: {examples(outgroup)}) is no clade of the tree: the smallest "
            f"that holds it has {strangers(best):,} other tips ({examples(sorted(side - inside))}); "
            "name a group that is one, or set phylogeny.root: midpoint"
        )
    return _root_above(tree, best)


def _root_above(tree: TreeNode, node: TreeNode) -> TreeNode:
    if len(list(tree.tips())) == 2:
        return root_at_midpoint(tree)
    tree.assign_supports()
    return with_supports(tree.root_at(node, above=True))
