"""Build images: counts, positions and channels -> basis and composition, and how exactly images turn back."""

import json
from pathlib import Path

import numba

from taxoscape import images, tables
from taxoscape.files import write_json
from taxoscape.job import logged

with logged(snakemake.log[0]):
    numba.set_num_threads(min(snakemake.threads, numba.config.NUMBA_NUM_THREADS))
    given, output = snakemake.input, snakemake.output
    table, splits = tables.read_table(given.table), tables.read_tsv(given.splits, "splits")
    positions = tables.read_tsv(given.positions, "positions")
    counts = tables.counts(table, splits["sample"], positions["taxon"])
    depths = tables.counts(table, splits["sample"]).sum(axis=1)
    train = (splits["split"] == "train").to_numpy()
    grid = json.loads(Path(given.layout).read_text())["grid"]
    channels = tables.read_channels(given.channels)
    basis, values = images.build_basis(counts, train, positions, grid, channels, snakemake.params.config)
    images.save_basis(basis, output.basis)
    images.save_composition(output.composition, list(splits["sample"]), basis, values, counts, depths)
    quality = images.image_quality(values, counts.sum(axis=1) / depths, basis, snakemake.params.seed)
    write_json(quality, output.quality)
