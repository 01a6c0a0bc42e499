"""Place ASVs on the reference tree: aligned rows -> places of each (jplace), and the record of the call."""

from taxoscape import tables
from taxoscape.files import write_json
from taxoscape.job import logged
from taxoscape.phylogeny.place import place
from taxoscape.phylogeny.reference import read_reference

with logged(snakemake.log[0]):
    files, config = snakemake.input, snakemake.params.config
    reference, tree = read_reference(files.alignment, files.tree, config["root"])
    placements, call = place(tables.read_fasta(files.aligned, tables.ALIGNED), reference, tree, config)
    write_json(placements, snakemake.output.placements)
    write_json(call, snakemake.output.call)
