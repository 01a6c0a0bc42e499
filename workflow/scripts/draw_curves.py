"""Draw curves: counts before rarefaction -> richness and Shannon diversity of every sample at lower depths, figure."""

from taxoscape import tables
from taxoscape.diversity import figures, rarefaction
from taxoscape.diversity.compare import first_categorical
from taxoscape.diversity.study import read_comparisons
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    given, config = snakemake.input, snakemake.params.config
    table = tables.read_table(given.table)
    counts, depth = tables.counts(table), int(tables.read_table(given.rarefied).sum("sample").max())
    depths = rarefaction.depths(counts.sum(axis=1), config["curve_points"], depth)
    curves = rarefaction.curves(counts, list(table.ids()), depths)
    write_tsv(curves, snakemake.output.curves, float_format="%.6g")
    dropped = list(tables.read_tsv(given.dropped, "dropped samples")["sample"])
    design, comparisons = read_comparisons(given.design, given.encoding, config)
    colours = first_categorical(comparisons)
    figures.draw_curves(curves, dropped, depth, design, colours, snakemake.output.figure)
