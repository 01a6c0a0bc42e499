"""The reference tree that ASVs are inserted into, and the places on it that correspond to those on a re-fitted tree.

RAxML fits branch lengths of its own to the alignment of the references. Where the reference tree was built from more
than that (whole genomes, say) its lengths are the better ones: on 852 archaeal genomes RAxML's lengths keep a rank
correlation of 0.57 to the genomes' own. So placements are carried over to the branches of the tree that was given.
"""

from pathlib import Path

import numpy as np
from skbio import TreeNode

from taxoscape import tables, trees
from taxoscape.errors import InputError, examples
from taxoscape.phylogeny.graft import Placement, marked_tree
from taxoscape.phylogeny.rooting import clamp_lengths, is_rooted, newick

FEWEST = 4  # sequences of a reference; RAxML takes no fewer


def read_reference(alignment: str | Path, tree: str | Path, root: str) -> tuple[dict[str, str], TreeNode]:
    """Read the aligned references and their tree -> id: row, bifurcating tree without labels of inner nodes.

    Raises InputError unless both hold the same sequences, four or more, the rows are of one length, and the tree has
    a root where `root` is `reference`.
    """
    rows = {name: row.replace(".", "-") for name, row in tables.read_fasta(alignment, tables.ALIGNED).items()}
    lengths = sorted({len(row) for row in rows.values()})
    if len(lengths) > 1:
        raise InputError(
            f"phylogeny.reference.alignment {alignment} has rows of {lengths[0]:,} to {lengths[-1]:,} columns: "
            "give aligned sequences, all of one length"
        )
    found = trees.read_tree(tree)
    tips = {tip.name for tip in found.tips()}
    strange = [name for name in rows if name not in tips] + [name for name in tips if name not in rows]
    if strange:
        raise InputError(
            f"phylogeny.reference.alignment {alignment} ({len(rows):,} sequences) and phylogeny.reference.tree {tree} "
            f"({len(tips):,} tips) differ in {len(strange):,} ids ({examples(sorted(strange))}): give the same in both"
        )
    if len(rows) < FEWEST:
        raise InputError(f"phylogeny.reference.alignment {alignment} has {len(rows)} sequences, {FEWEST} are needed")
    if root == "reference" and not is_rooted(found):
        raise InputError(f"phylogeny.root is reference, but {tree} has no root: choose midpoint or outgroup")
    clamp_lengths(found)
    found.prune()
    found.bifurcate(insert_length=0.0)
    for node in found.non_tips(include_self=True):
        node.name = None
    return rows, found


def number_edges(tree: TreeNode) -> dict[int, TreeNode]:
    """Number of each branch, in preorder -> the node below it."""
    return dict(enumerate(tree.preorder(include_self=False)))


def mark_edges(tree: TreeNode) -> str:
    """Newick of a tree whose branches carry their numbers, as a jplace file has it."""
    numbers = {id(node): number for number, node in number_edges(tree).items()}
    return newick(tree, lambda node: f"{{{numbers[id(node)]}}}").strip()


def carry_over(placements: list[Placement], marked: str, tree: TreeNode) -> tuple[list[Placement], float]:
    """Placements on a re-fitted tree (Newick with numbered edges) -> the same on the reference tree, and the scale.

    A branch is known by the tips on its two sides. A place keeps its share of the branch; pendant branches are
    multiplied by the scale, total length of the reference tree over that of the re-fitted one. Where the reference
    tree has its root on the branch, the place is counted along both halves.
    """
    edges = number_edges(tree)
    sides = _tips_below(tree)
    below = {sides[id(node)]: number for number, node in edges.items()}
    everything, refitted = sides[id(tree)], marked_tree(marked)
    lower, moved = _tips_below(refitted), []
    source = {int(node.name.partition("|")[0]): node for node in refitted.preorder(include_self=False)}
    total = sum(node.length for node in source.values())
    scale = sum(node.length for node in edges.values()) / total if total else 1.0
    for placement in placements:
        node = source[placement.edge]
        share = min(max(placement.distal / node.length, 0.0), 1.0) if node.length else 0.0
        here, there = below.get(lower[id(node)]), below.get(everything ^ lower[id(node)])
        first, second = (None if number is None else edges[number].length for number in (here, there))
        at = share * ((first or 0.0) + (second or 0.0))  # from the end that is the lower one in the re-fitted tree
        if here is None:
            edge, distal = there, second - at
        elif there is None or at <= first:
            edge, distal = here, at
        else:
            edge, distal = there, first + second - at
        moved.append(Placement(placement.query, edge, distal, placement.pendant * scale, placement.weight))
    return moved, scale


def _tips_below(tree: TreeNode) -> dict[int, int]:
    """Id of each node -> one number for the set of tips below it: random numbers of the tips, combined by xor."""
    names = sorted(_plain(tip.name) for tip in tree.tips())
    words = np.random.default_rng(0).integers(2**63, size=(len(names), 2)).tolist()
    number = {name: first << 63 | second for name, (first, second) in zip(names, words, strict=True)}
    below: dict[int, int] = {}
    for node in tree.postorder():
        below[id(node)] = 0 if node.children else number[_plain(node.name)]
        for child in node.children:
            below[id(node)] ^= below[id(child)]
    return below


def _plain(name: str) -> str:
    """Name of a tip without the number of its edge."""
    return name.partition("|")[2] or name
