"""Align ASVs: sequences -> alignment, by MAFFT, and the record of the call."""

from taxoscape import tables
from taxoscape.files import write_json
from taxoscape.job import logged
from taxoscape.phylogeny.align import align

with logged(snakemake.log[0]):
    sequences = tables.read_fasta(snakemake.input.sequences, may_be_empty=True)
    aligned, call = align(sequences, snakemake.params.config, snakemake.threads)
    tables.write_fasta(aligned, snakemake.output.aligned)
    write_json(call, snakemake.output.call)
