"""Rarefy: counts -> the same number of reads for every sample, the samples that had too few, and what depths keep."""

import pandas as pd

from taxoscape import rarefy, tables
from taxoscape.files import write_json, write_tsv
from taxoscape.job import logged
from taxoscape.rarefy import depth

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    table, track = tables.read_table(given.table), tables.read_tsv(given.track, "track")
    tables.check_counts(table, given.table)
    reads = table.sum("sample")
    chosen = depth.describe(reads, depth.choose(reads, params.config), params.config)
    print(chosen)
    rarefied, dropped = rarefy.rarefy(table, chosen["depth"], params.seed)
    dropped = pd.concat([dropped, rarefy.lost_before(track, table.ids())])
    tables.write_table(rarefied.matrix_data.T, rarefied.ids("observation"), rarefied.ids(), wanted.table)
    write_tsv(dropped, wanted.dropped)
    write_json(chosen, wanted.depth)
    write_tsv(depth.tradeoff(reads), wanted.depths)
