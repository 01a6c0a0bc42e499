"""Cut the primers from the reads of a shard -> a folder of trimmed FASTQ, and the reads of each fate."""

from taxoscape.files import read_json, write_npz, write_tsv
from taxoscape.job import logged
from taxoscape.reads import pairs, primers, sampling

with logged(snakemake.log[0]):
    files, params = (snakemake.input.fq1, snakemake.input.fq2), snakemake.params
    used = read_json(snakemake.input.primers)
    folder = snakemake.output.reads
    counts = primers.trim_samples(params.samples, *files, used, folder, params.config, snakemake.threads)
    write_tsv(counts, snakemake.output.counts)
    directions = pairs.DIRECTIONS[: 1 + bool(files[1])]
    sampled = sampling.packed(primers.sample_trimmed(folder, counts), directions)
    write_npz(snakemake.output.sampled, **sampled)
