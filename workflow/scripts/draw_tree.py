"""Draw the tree: rooted tree, lineages and reads -> a circular figure, coloured by clade."""

from taxoscape import tables, trees
from taxoscape.job import logged
from taxoscape.palette import study_clades
from taxoscape.phylogeny.draw import draw_tree

with logged(snakemake.log[0]):
    given = snakemake.input
    tree = trees.tree_arrays(trees.read_tree(given.tree))
    known = tables.read_taxonomy(given.taxonomy)
    clades = study_clades(tables.read_table(given.table), known)
    draw_tree(tree, known.reindex(tree.tips).fillna("Unassigned"), clades, snakemake.output.figure)
