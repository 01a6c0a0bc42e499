"""Root the tree -> tree of the ASVs alone, and what was done to it."""

from taxoscape import inputs, tables, trees
from taxoscape.files import write_json, write_text
from taxoscape.job import logged
from taxoscape.phylogeny.finish import finish
from taxoscape.phylogeny.rooting import newick

with logged(snakemake.log[0]):
    params = snakemake.params
    features = list(tables.read_fasta(snakemake.input.sequences))
    tree = trees.read_tree(snakemake.input.tree)
    lineages = inputs.optional(tables.read_taxonomy, snakemake.input.taxonomy)
    tree, changes = finish(tree, features, lineages, params.config, params.source)
    write_text(newick(tree), snakemake.output.tree)
    write_json(changes, snakemake.output.changes)
