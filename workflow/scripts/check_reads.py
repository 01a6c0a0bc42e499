"""Check the reads of a shard to their last byte -> a row for each sample, qualities, sampled reads, contents."""

from taxoscape.files import write_json, write_npz, write_tsv
from taxoscape.job import logged
from taxoscape.reads import detect, pairs, sampling

with logged(snakemake.log[0]):
    files = snakemake.input.fq1, snakemake.input.fq2
    known = detect.known_primers(snakemake.input.primers)
    checked = pairs.check_samples(snakemake.params.samples, *files, known, snakemake.params.config)
    write_tsv(checked.rows, snakemake.output.reads)
    write_npz(snakemake.output.quality, **checked.histograms)
    write_npz(snakemake.output.sampled, **sampling.packed(checked.sampled, list(checked.histograms)))
    write_json(checked.contents, snakemake.output.content)
