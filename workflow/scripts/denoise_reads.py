"""Denoise and merge the filtered reads of some shards -> merged sequences with counts, and the reads at each step."""

from taxoscape import tables
from taxoscape.denoise import shards
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    params, inputs = snakemake.params, snakemake.input
    counts = [tables.read_tsv(path, "filtered reads") for path in inputs.counts]
    models = [tables.read_tsv(path, "error model") for path in inputs.errors]
    expected = shards.expected_sequences(inputs.priors, len(models), params.config)
    given = shards.given_to_dada(models, expected, shards.read_shared(inputs.shared))
    batch = counts, inputs.reads, given
    merged, steps = shards.denoise_batch(*batch, params.config, snakemake.threads, params.seed)
    write_tsv(merged, snakemake.output.merged)
    write_tsv(steps, snakemake.output.steps)
