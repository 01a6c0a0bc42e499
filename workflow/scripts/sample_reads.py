"""Gather some reads of every sample of a run, as many of each -> bases and scores."""

from taxoscape.files import write_npz
from taxoscape.job import logged
from taxoscape.reads import sampling

with logged(snakemake.log[0]):
    write_npz(snakemake.output.sampled, **sampling.gathered(snakemake.input.shards, sampling.MOST_OF_RUN))
