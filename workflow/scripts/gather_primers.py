"""Gather the trimmed reads of all shards -> the reads of each fate of every sample, and cutadapt's version."""

from taxoscape.files import read_json, write_json, write_tsv
from taxoscape.job import logged
from taxoscape.reads import gather, primers

with logged(snakemake.log[0]):
    used = read_json(snakemake.input.primers)
    write_tsv(gather.trimmed(snakemake.params.samples, snakemake.input.counts), snakemake.output.counts)
    write_json(primers.provenance(used, snakemake.params.config), snakemake.output.versions)
