"""Make a tree usable: tips of the table only, lengths of zero or more, a root with two sides."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from skbio import TreeNode

from taxoscape import trees
from taxoscape.errors import InputError, examples


def named_tree(text: str, names: dict[str, str]) -> TreeNode:
    """Parse Newick whose tips are numbers, and give each tip the name that its number stands for."""
    tree = TreeNode.read([text], format="newick")
    for tip in tree.tips():
        tip.name = names[tip.name]
    return tree


def clamp_lengths(tree: TreeNode) -> int:
    """Set negative branch lengths to 0, in place -> how many there were."""
    negative = [node for node in tree.preorder(include_self=False) if node.length < 0]
    for node in negative:
        node.length = 0.0
    return len(negative)


def is_rooted(tree: TreeNode) -> bool:
    """Whether the root has two children, the usual sign of a rooted tree in Newick."""
    return len(tree.children) == 2


def root_at_midpoint(tree: TreeNode) -> TreeNode:
    """Root a tree half-way between its two farthest tips; supports stay with their branches.

    A tree of two tips has its root half-way between them; one whose tips all lie on each other stays as it is. Where
    the middle is a node of three branches or more, the root stands there and the first of them is set apart, so that
    every program sees a rooted tree.
    """
    tips = list(tree.tips())
    if len(tips) == 2:
        half = sum(node.length for node in tree.preorder(include_self=False)) / 2
        return TreeNode(children=[TreeNode(tip.name, length=half) for tip in tips])
    if not any(node.length for node in tree.preorder(include_self=False)):
        return tree
    tree.assign_supports()
    rooted = with_supports(tree.root_at_midpoint())
    if len(rooted.children) > 2:
        first, *others = list(rooted.children)
        rooted = TreeNode(children=[first, TreeNode(length=0.0, children=others)])
    return rooted


def with_supports(tree: TreeNode) -> TreeNode:
    """Write the supports of branches, which scikit-bio keeps apart in a rooting, back as labels of inner nodes."""
    for node in tree.non_tips():
        node.name = None if getattr(node, "support", None) is None else f"{node.support:g}"
    return tree


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


def cap_pendants(tree: TreeNode, features: Sequence[str], longest: float | None) -> list[str]:
    """Shorten the branches above these tips to `longest` (substitutions/site), in place -> tips that were longer."""
    wanted = set(features)
    capped = [tip for tip in tree.tips() if tip.name in wanted and longest is not None and tip.length > longest]
    for tip in capped:
        tip.length = longest
    return sorted(tip.name for tip in capped)


def shear(tree: TreeNode, features: Sequence[str], path: str | Path, missing: str) -> tuple[TreeNode, list[str]]:
    """Cut a study's tree back to the features of its table -> tree, features that it lacks.

    `missing` is `error` or `drop`. Raises InputError for features without a tip unless they may be dropped, and
    when fewer than two tips remain.
    """
    lacking = trees.missing_tips(tree, features)
    if lacking and missing == "error":
        raise InputError(
            f"tree {path} lacks {len(lacking):,} of the {len(features):,} features of the table ({examples(lacking)}): "
            "give the tree of this table, or set phylogeny.missing_tips to drop"
        )
    if len(features) - len(lacking) < 2:
        raise InputError(
            f"tree {path} has {len(features) - len(lacking)} of the {len(features):,} features of the table "
            f"({examples(features)}) as tips, at least 2 are needed: give the tree of this table"
        )
    gone = set(lacking)
    kept = tree.shear([feature for feature in features if feature not in gone])
    kept.length = None
    return kept, lacking


def newick(tree: TreeNode, mark: Callable[[TreeNode], str] = lambda node: "") -> str:
    """Newick text of a tree: lengths in full precision, none at the root, names quoted only where they must be.

    `mark` adds something behind each length. scikit-bio's own writer turns blanks into underscores, which our reader
    rightly keeps as they are.
    """
    text = []
    for node in tree.preorder():
        if node.children:
            text.append("(")
            continue
        text.append(_label(node, mark))
        while node is not tree and node is node.parent.children[-1]:
            node = node.parent
            text.append(")" + (_name(node) if node is tree else _label(node, mark)))
        text.append("," if node is not tree else ";\n")
    return "".join(text)


def _label(node: TreeNode, mark: Callable[[TreeNode], str]) -> str:
    return f"{_name(node)}:{float(node.length)!r}{mark(node)}"


def _name(node: TreeNode) -> str:
    name = node.name or ""
    if set(name).isdisjoint(" ()[]{}:;,'\"\t\n"):
        return name
    return "'" + name.replace("'", "''") + "'"
