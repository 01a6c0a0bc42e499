"""Compare samples: rarefied counts and the tree -> distances between all samples by one metric."""

from taxoscape import tables, trees
from taxoscape.diversity import beta, study
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    config = snakemake.params.config
    table = tables.read_table(snakemake.input.table)
    tree = trees.tree_arrays(trees.read_tree(snakemake.input.tree))
    samples, why_not = beta.compared(list(table.ids()), config["max_samples"])
    print(why_not or f"{len(samples):,} samples")
    counts, of_tips = tables.counts(table, samples), tables.counts(table, samples, tree.tips)
    distances = beta.distances(snakemake.wildcards.metric, counts, of_tips, tree, config["pseudocount"])
    study.write_distances(distances, samples, why_not, snakemake.output.distances)
    write_tsv(beta.lsmat(distances, samples), snakemake.output.table, index=True, float_format="%.7g")
