"""Merge all shards of all runs -> table and ASVs of one strand without chimeras, reads at each step, versions."""

from taxoscape import tables
from taxoscape.denoise import dada, merge, shards, strand
from taxoscape.files import read_json, write_json, write_tsv
from taxoscape.job import logged
from taxoscape.reads import truncation

with logged(snakemake.log[0]):
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    reads = merge.read_steps(inputs.counts, inputs.steps), merge.read_merged(params.models, inputs.merged)
    known = strand.known_words(strand.read_reference(inputs.reference).values())
    found = merge.merge(params.samples, *reads, known, params.config, snakemake.threads, params.seed)
    counts, sequences, track, strands = found
    asvs = {tables.sequence_id(sequence): sequence for sequence in sequences}
    kept = counts.any(axis=1)
    tables.write_table(counts[kept], asvs, track["sample"][kept], output.table)
    tables.write_fasta(asvs, output.sequences)
    write_tsv(track, output.track)
    write_tsv(strands, output.strands)
    config = truncation.reported(params.config, read_json(inputs.truncation))
    models = [shards.error_function(tables.read_tsv(path, "error model")) for path in inputs.errors]
    fitted = dict(zip(params.fitted, models, strict=True))
    write_json(dada.provenance(config, params.paired, params.seed, fitted), output.versions)
