"""Denoise a shard's samples by themselves -> what they hold and what errors they show, for pseudo pooling."""

from taxoscape import tables
from taxoscape.denoise import pseudo, shards
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    params, inputs = snakemake.params, snakemake.input
    counts = tables.read_tsv(inputs.counts, "filtered reads")
    models = [tables.read_tsv(path, "error model") for path in inputs.errors]
    given = shards.given_to_dada(models, shards.expected_sequences(inputs.priors, len(models), params.config))
    shard = counts, inputs.reads, given
    found, observed = pseudo.first_pass(*shard, params.config, snakemake.threads, params.seed)
    write_tsv(found, snakemake.output.found)
    write_tsv(observed, snakemake.output.observed)
