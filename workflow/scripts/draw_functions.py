"""Draw functions: genera x channels, and the distances of the reads to their references -> two figures."""

import pandas as pd

from taxoscape import tables
from taxoscape.functions import figures, profiles
from taxoscape.job import logged

with logged(snakemake.log[0]):
    given, wanted = snakemake.input, snakemake.output
    evidence, shares = profiles.read_evidence(given.nsti), tables.read_channels(given.channels)
    table = tables.read_table(given.table)
    reads = pd.Series(table.sum("observation"), table.ids("observation")).loc[shares.index]
    genera = tables.read_taxonomy(given.taxonomy).loc[shares.index].map(figures.genus_of)
    figures.draw_channels(*figures.genus_channels(shares, genera, reads), wanted.channels)
    figures.draw_distances(evidence, reads.to_numpy(), wanted.nsti)
