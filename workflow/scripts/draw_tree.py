"""Draw the tree: rooted tree, lineages and reads -> a circular figure, coloured by clade."""

from taxoscape import tables, trees
from taxoscape.errors import logged
from taxoscape.palette import choose_clades
from taxoscape.phylogeny.draw import draw_tree

with logged(snakemake.log[0]):
    given = snakemake.input
    tree = trees.tree_arrays(trees.read_tree(given.tree))
    table, known = tables.read_table(given.table), tables.read_taxonomy(given.taxonomy)
    clades = choose_clades(known.reindex(table.ids("observation")).fillna("Unassigned"), table.sum("observation"))
    draw_tree(tree, known.reindex(tree.tips).fillna("Unassigned"), clades, snakemake.output.figure)
