"""The most prevalent taxa of the global gut study, for tests and measurements on real trees."""

from pathlib import Path

import numpy as np
from skbio import TreeNode

from taxoscape import tables, trees
from taxoscape.trees import TreeArrays


def prevalent_taxa(data: Path, count: int) -> tuple[np.ndarray, TreeNode, list[str]]:
    """Counts [N, count], the tree of these taxa alone, and their ids, in the order of the table."""
    folder = data / "globalgut_yatsunenko"
    table, tree = tables.read_table(folder / "table.biom"), trees.read_tree(folder / "tree.nwk")
    tips = {tip.name for tip in tree.tips()}
    ids = np.array([name for name in table.ids("observation") if name in tips])
    counts = tables.counts(table, taxa=ids)
    chosen = np.sort(np.argsort(-(counts > 0).mean(axis=0), kind="stable")[:count])
    taxa = [str(name) for name in ids[chosen]]
    return counts[:, chosen], tree.shear(taxa), taxa


def tree_distances(tree: TreeArrays, taxa: list[str]) -> np.ndarray:
    """Path lengths [n, n] between taxa, in substitutions per site."""
    order = [tree.tips.index(taxon) for taxon in taxa]
    return trees.patristic_distances(tree)[np.ix_(order, order)]
