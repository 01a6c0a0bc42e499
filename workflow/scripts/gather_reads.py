"""Gather the checked reads of all shards -> one row a sample; quality by cycle and by score for each run; primers."""

from taxoscape.files import write_json, write_tsv
from taxoscape.job import logged
from taxoscape.reads import detect, gather

with logged(snakemake.log[0]):
    runs = snakemake.params.runs
    rows = gather.samples(snakemake.params.samples, runs, snakemake.input.reads)
    write_tsv(rows, snakemake.output.reads)
    cycles, scores = gather.qualities(runs, snakemake.input.quality)
    write_tsv(cycles, snakemake.output.quality)
    write_tsv(scores, snakemake.output.scores)
    write_json(
        detect.chosen(rows, detect.known_primers(snakemake.input.known), snakemake.params.config),
        snakemake.output.primers,
    )
