"""Simulate the demo cohort: dada2's example sequences and qualities -> reads, metadata, references and the truth."""

from taxoscape.demo import cohort, sources
from taxoscape.job import logged

with logged(snakemake.log[0]):
    config, seed = snakemake.params.config, snakemake.params.seed
    extdata = sources.extdata()
    simulated = cohort.simulate(config, seed, extdata)
    cohort.write(simulated, config["pairs"], seed, extdata, dict(snakemake.output.items()))
