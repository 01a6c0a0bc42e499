"""Filter and truncate the reads of a shard -> a folder of filtered FASTQ, and the reads before and after."""

from taxoscape.denoise import shards
from taxoscape.files import read_json, write_tsv
from taxoscape.job import logged
from taxoscape.reads import truncation
from taxoscape.reads.primers import trimmed_files

with logged(snakemake.log[0]):
    files = trimmed_files(snakemake.input.trimmed, snakemake.input.fq1, snakemake.input.fq2)
    decided = read_json(snakemake.input.truncation)
    config = truncation.resolved(snakemake.params.config, decided, snakemake.wildcards.run)
    counts = shards.filter_shard(snakemake.params.samples, *files, snakemake.output.reads, config)
    write_tsv(counts, snakemake.output.counts)
