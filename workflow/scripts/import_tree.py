"""Import the tree: the study's own tree -> cut back to the features of the table, rooted."""

from taxoscape import inputs, tables, trees
from taxoscape.files import write_json, write_text
from taxoscape.job import logged
from taxoscape.phylogeny.finish import take
from taxoscape.phylogeny.rooting import newick

with logged(snakemake.log[0]):
    features = tables.read_table(snakemake.input.table).ids("observation")
    given, path = trees.read_tree(snakemake.input.given), snakemake.input.given
    lineages = inputs.optional(tables.read_taxonomy, snakemake.input.taxonomy)
    tree, changes = take(given, features, lineages, snakemake.params.config, path)
    write_text(newick(tree), snakemake.output.tree)
    write_json(changes, snakemake.output.changes)
