"""Prepare the reference: files of one set of genomes, checked against each other -> 16S sequences without gaps."""

from taxoscape import tables
from taxoscape.functions.ko_tables import read_sequences
from taxoscape.job import logged

with logged(snakemake.log[0]):
    sequences = read_sequences(dict(snakemake.input.items()))
    print(f"{len(sequences):,} reference sequences")
    tables.write_fasta(sequences, snakemake.output.sequences)
