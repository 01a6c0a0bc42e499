"""Learn the error model of a run and direction from its filtered reads -> error rates by transition and quality."""

from taxoscape import tables
from taxoscape.denoise import shards
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    params = snakemake.params
    scores = tables.read_tsv(snakemake.input.scores, "quality scores")
    what = params.runs, snakemake.wildcards.direction, snakemake.input.reads
    model = shards.learn(*what, scores, params.config, snakemake.threads, params.seed)
    write_tsv(model, snakemake.output.errors)
