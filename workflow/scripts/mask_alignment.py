"""Mask the alignment: leave out columns that are mostly gaps or not conserved -> masked alignment, column shares."""

from taxoscape import tables
from taxoscape.files import write_tsv
from taxoscape.job import logged
from taxoscape.phylogeny.mask import mask_columns

with logged(snakemake.log[0]):
    config = snakemake.params.config
    aligned = tables.read_fasta(snakemake.input.aligned, tables.ALIGNED)
    masked, columns = mask_columns(aligned, config["max_gap"], config["min_conservation"])
    tables.write_fasta(masked, snakemake.output.masked)
    write_tsv(columns, snakemake.output.columns, float_format="%.6g")
