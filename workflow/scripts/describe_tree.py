"""Describe the tree: size, branches, distances, supports, masked columns and clades of lineages; and the versions."""

import json
from pathlib import Path

from taxoscape import tables, trees
from taxoscape.files import write_json
from taxoscape.job import logged
from taxoscape.phylogeny import quality, tools

with logged(snakemake.log[0]):
    rooted = trees.read_tree(snakemake.input.tree)
    tree = trees.tree_arrays(rooted)
    features = tables.read_table(snakemake.input.table).ids("observation")
    lineages = tables.read_taxonomy(snakemake.input.taxonomy)
    changes = json.loads(Path(snakemake.input.changes).read_text())
    calls = [json.loads(Path(path).read_text()) for path in snakemake.input.calls]
    report = {
        **quality.describe(tree),
        **changes,
        "distances": quality.distances(tree),
        "supports": quality.supports(rooted, calls),
        "features_without_tip": len(features) - len(tree.tips),
        "columns": quality.columns(snakemake.input.mask),
        "placements": quality.placements(snakemake.input.places),
        "clades": quality.clade_agreement(tree, lineages.reindex(tree.tips)),
    }
    write_json(report, snakemake.output.quality)
    write_json(tools.together(calls), snakemake.output.versions)
