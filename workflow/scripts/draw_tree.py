"""Draw the tree: rooted tree and lineages -> a circular figure, coloured by phylum."""

from taxoscape import tables, trees
from taxoscape.errors import logged
from taxoscape.phylogeny.draw import draw_tree

with logged(snakemake.log[0]):
    tree = trees.tree_arrays(trees.read_tree(snakemake.input.tree))
    lineages = tables.read_taxonomy(snakemake.input.taxonomy)
    draw_tree(tree, lineages.reindex(tree.tips), snakemake.output.figure)
