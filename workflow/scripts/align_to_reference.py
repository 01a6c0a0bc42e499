"""Align ASVs to a reference alignment: sequences -> their rows in its columns, and the record of the call."""

from taxoscape import tables
from taxoscape.files import write_json
from taxoscape.job import logged
from taxoscape.phylogeny.place import add_to_reference
from taxoscape.phylogeny.reference import read_reference

with logged(snakemake.log[0]):
    files, config = snakemake.input, snakemake.params.config
    reference, _ = read_reference(files.alignment, files.tree, config["root"])
    sequences = tables.read_fasta(files.sequences, may_be_empty=True)
    aligned, call = add_to_reference(sequences, reference, config, snakemake.threads)
    tables.write_fasta(aligned, snakemake.output.aligned)
    write_json(call, snakemake.output.call)
