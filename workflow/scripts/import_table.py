"""Take over the table of a study -> table, sequences and reads per sample, as denoising would leave them."""

from taxoscape import inputs, tables
from taxoscape.denoise import given
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    table = tables.read_table(snakemake.input.table)
    tables.check_counts(table, snakemake.input.table)
    sequences = inputs.optional(tables.read_fasta, snakemake.input.sequences)
    counts, features, samples, known = given.adopt(table, sequences)
    tables.write_table(counts, features, samples, snakemake.output.table)
    tables.write_fasta(known, snakemake.output.sequences)
    write_tsv(given.track(table, counts, samples), snakemake.output.track)
