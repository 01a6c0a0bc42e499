"""Repeat the rarefaction: counts -> further draws at the same depth, and how much they differ from the one in use."""

import json
from pathlib import Path

from taxoscape import rarefy, tables
from taxoscape.files import write_tsv
from taxoscape.job import logged
from taxoscape.rarefy import repeats

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    table, depth = tables.read_table(given.table), json.loads(Path(given.depth).read_text())["depth"]
    drawn = [rarefy.rarefy(table, depth, params.seed, repeat)[0] for repeat in range(2, params.config["repeats"] + 1)]
    for draw, path in zip(drawn, wanted.tables, strict=True):
        tables.write_table(draw.matrix_data.T, draw.ids("observation"), draw.ids(), path)
    compared = repeats.compare([tables.read_table(given.first), *drawn])
    print(compared.describe().to_string())
    write_tsv(compared, wanted.compared)
