"""Draw the error model of a run and direction -> a figure of observed, fitted and promised error rates."""

from taxoscape import tables
from taxoscape.denoise import figures
from taxoscape.job import logged

with logged(snakemake.log[0]):
    model = tables.read_tsv(snakemake.input.errors, "error model")
    title = f"Errors of run {snakemake.wildcards.model}, {snakemake.wildcards.direction} reads"
    figures.draw_errors(model, title, snakemake.output.figure)
