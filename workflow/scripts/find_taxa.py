"""Find taxa: rarefied counts, lineages, metadata -> taxa whose abundance goes with a field, figure."""

from taxoscape import tables
from taxoscape.diversity import differential, figures
from taxoscape.diversity.study import read_comparisons
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    given, config, wanted = snakemake.input, snakemake.params.config, snakemake.output
    design, comparisons = read_comparisons(given.design, given.encoding, config)
    table = tables.read_table(given.table)
    lineages = tables.read_taxonomy(given.taxonomy).reindex(table.ids("observation"))
    counts, taxa = differential.at_rank(tables.counts(table, design.index), lineages, config["rank"])
    options = differential.Options(config["differential"], config["prevalence"], config["min_group"])
    effects, fields = differential.differential(counts, taxa, comparisons, options, snakemake.params.seed)
    write_tsv(effects, wanted.effects, float_format="%.6g")
    write_tsv(fields, wanted.fields)
    labels = differential.short_names(taxa, config["rank"])
    figures.draw_differential(effects, fields, labels, config["differential"], wanted.figure)
