"""Lay out taxa: embedding and taxa -> a cell of its own for each, and how well the map keeps neighbours."""

import numpy as np

from taxoscape import tables, trees
from taxoscape.compiled import use_threads
from taxoscape.embedding.geometry import embedded_distances, tips_of
from taxoscape.files import write_json, write_tsv
from taxoscape.job import logged
from taxoscape.layout.existing import read_existing
from taxoscape.layout.place import lay_out
from taxoscape.layout.quality import layout_quality

with logged(snakemake.log[0]):
    use_threads(snakemake.threads)
    config, given = snakemake.params.config, snakemake.input
    taxa = tables.read_tsv(given.taxa, "taxa")["taxon"]
    tree = trees.tree_arrays(trees.read_tree(given.tree))
    lineages = tables.read_taxonomy(given.taxonomy).reindex(taxa).fillna("Unassigned")
    with np.load(given.embedding, allow_pickle=False) as embedding:
        distances, ball = embedded_distances(embedding, list(taxa)), embedding["z"][tips_of(embedding, list(taxa))]
    options = {name: config[name] for name in ("method", "grid", "perplexity")}
    existing = read_existing(config["existing"], config["grid"])
    cells, moved = lay_out(
        distances, tree, list(taxa), **options, seed=snakemake.params.seed, ball=ball, existing=existing
    )
    positions = taxa.to_frame().assign(row=cells[:, 0], col=cells[:, 1])
    write_tsv(positions, snakemake.output.positions)
    write_json(options | layout_quality(distances, cells, list(lineages)) | moved, snakemake.output.quality)
