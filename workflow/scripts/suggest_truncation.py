"""Suggest where to truncate the reads of every run, check the lengths asked for -> numbers, and a figure."""

from taxoscape.files import write_json
from taxoscape.job import logged
from taxoscape.reads import figures, sampling, truncation

with logged(snakemake.log[0]):
    config = snakemake.params.config
    runs = sampling.read_runs(snakemake.params.runs, snakemake.input.sampled)
    decided = truncation.decide(runs, config)
    write_json(decided, snakemake.output.truncation)
    figures.draw_truncation(runs, decided, config, snakemake.output.figure)
