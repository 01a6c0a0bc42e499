"""Filter ASVs by length, abundance and lineage -> table, sequences, reads tracked, and what was removed and why."""

from taxoscape import tables
from taxoscape.files import write_tsv
from taxoscape.filter import check_left, describe, judge, keep, removed, track
from taxoscape.job import logged

with logged(snakemake.log[0]):
    given, wanted = snakemake.input, snakemake.output
    table, sequences = tables.read_table(given.table), tables.read_fasta(given.sequences, may_be_empty=True)
    asvs = describe(table, sequences, tables.read_taxonomy(given.taxonomy))
    verdict, summary = judge(asvs, snakemake.params.config)
    print(summary.to_string(index=False))
    check_left(asvs, verdict, summary)
    counts, taxa, samples = keep(table, (verdict["step"] == "").to_numpy())
    tables.write_table(counts, taxa, samples, wanted.table)
    tables.write_fasta({taxon: sequences[taxon] for taxon in taxa if taxon in sequences}, wanted.sequences)
    write_tsv(track(table, verdict, tables.read_tsv(given.track, "track")), wanted.track)
    write_tsv(removed(asvs, verdict), wanted.removed)
    write_tsv(summary, wanted.summary)
