"""Join the shards of UniFrac -> distances between all samples, their names, Faith's PD of each."""

import numpy as np
import pandas as pd

from taxoscape import tables, trees, unifrac
from taxoscape.files import write_npy, write_text, write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    table = tables.read_table(snakemake.input.table)
    samples = list(table.ids())
    tree = trees.tree_arrays(trees.read_tree(snakemake.input.tree))
    shards = [np.load(path, mmap_mode="r", allow_pickle=False) for path in snakemake.input.shards]
    write_npy(snakemake.output.distances, unifrac.joined(shards), (len(samples), len(samples)))
    write_text("".join(f"{sample}\n" for sample in samples), snakemake.output.samples)
    faith_pd = unifrac.faith_pd(tables.counts(table, taxa=tree.tips), tree)
    write_tsv(pd.DataFrame({"sample": samples, "faith_pd": faith_pd}), snakemake.output.faith_pd)
