"""Root the tree -> tree of the ASVs alone, and what was done to it."""

from taxoscape import tables, trees
from taxoscape.files import write_json, write_text
from taxoscape.job import logged
from taxoscape.phylogeny.finish import finish
from taxoscape.phylogeny.rooting import newick
from taxoscape.taxonomy.lineages import read_optional

with logged(snakemake.log[0]):
    params = snakemake.params
    features = list(tables.read_fasta(snakemake.input.sequences))
    tree = trees.read_tree(snakemake.input.tree)
    tree, changes = finish(tree, features, read_optional(snakemake.input.taxonomy), params.config, params.source)
    write_text(newick(tree), snakemake.output.tree)
    write_json(changes, snakemake.output.changes)
