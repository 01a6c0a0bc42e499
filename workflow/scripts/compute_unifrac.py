"""Compute UniFrac of a shard: rarefied counts and the rooted tree -> distances of its samples to all that follow."""

from taxoscape import tables, trees, unifrac
from taxoscape.files import write_npy
from taxoscape.job import logged

with logged(snakemake.log[0]):
    table = tables.read_table(snakemake.input.table)
    samples, features = list(table.ids()), list(table.ids("observation"))
    tree = trees.tree_arrays(trees.read_tree(snakemake.input.tree))
    unifrac.report_left_out(tables.counts(table), features, tree, samples)
    counts, config = tables.counts(table, taxa=tree.tips), snakemake.params.config
    first, last = unifrac.spans(len(samples), config["shards"])[int(snakemake.wildcards.shard)]
    distances = unifrac.distances_from(counts, tree, config["metric"], first, last)
    write_npy(snakemake.output.distances, [distances], distances.shape)
