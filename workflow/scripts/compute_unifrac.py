"""Compute UniFrac: rarefied counts and the rooted tree -> distances between all samples, Faith's PD of each."""

import numpy as np
import pandas as pd

from taxoscape import tables, trees, unifrac
from taxoscape.errors import logged
from taxoscape.files import atomic, write_text, write_tsv

with logged(snakemake.log[0]):
    table = tables.read_table(snakemake.input.table)
    samples, features = list(table.ids()), list(table.ids("observation"))
    tree = trees.tree_arrays(trees.read_tree(snakemake.input.tree))
    unifrac.report_left_out(tables.counts(table), features, tree, samples)
    counts = tables.counts(table, taxa=tree.tips)
    distances, faith_pd = unifrac.measure(counts, tree, snakemake.params.config["metric"])
    with atomic(snakemake.output.distances) as partial:
        np.save(partial, distances)
    write_text("".join(f"{sample}\n" for sample in samples), snakemake.output.samples)
    write_tsv(pd.DataFrame({"sample": samples, "faith_pd": faith_pd}), snakemake.output.faith_pd)
