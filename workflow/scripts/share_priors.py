"""Add up what the shards of a run hold -> the priors and the error models of the second pass of pseudo pooling."""

from taxoscape import tables
from taxoscape.denoise import pseudo
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    inputs, output = snakemake.input, snakemake.output
    samples = sum((tables.read_tsv(path, "filtered reads")["filtered"] != "0").sum() for path in inputs.counts)
    found, observed, models = (
        [tables.read_tsv(path, what) for path in files]
        for files, what in (
            (inputs.found, "sequences"),
            (inputs.observed, "transitions"),
            (inputs.errors, "error model"),
        )
    )
    priors, models = pseudo.share(snakemake.wildcards.model, samples, found, observed, models)
    write_tsv(priors, output.priors)
    for model, path in zip(models, output.errors, strict=True):
        write_tsv(model, path)
