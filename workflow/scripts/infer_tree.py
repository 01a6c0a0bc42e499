"""Infer the tree: masked alignment -> unrooted tree with supports, and the record of the call."""

from taxoscape import tables
from taxoscape.files import write_json, write_text
from taxoscape.job import logged
from taxoscape.phylogeny import rooting
from taxoscape.phylogeny.infer import infer

with logged(snakemake.log[0]):
    masked = tables.read_fasta(snakemake.input.masked, tables.ALIGNED)
    tree, call = infer(masked, snakemake.params.config, snakemake.params.seed)
    write_text(rooting.newick(tree), snakemake.output.tree)
    write_json(call, snakemake.output.call)
