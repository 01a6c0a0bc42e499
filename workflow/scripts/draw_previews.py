"""Draw previews: basis, composition and metadata -> the map of taxa, channels, samples, a difference, and noise."""

import json
from pathlib import Path

from taxoscape import images, metadata, tables
from taxoscape.figures import save
from taxoscape.job import logged
from taxoscape.palette import study_clades
from taxoscape.previews import contrast, draw

with logged(snakemake.log[0]):
    given, output = snakemake.input, snakemake.output
    basis, stored = images.load_basis(given.basis), images.load_composition(given.composition)
    design = metadata.read_design(given.design).loc[stored["samples"]]
    encoding = json.loads(Path(given.encoding).read_text())
    train = (tables.read_tsv(given.splits, "splits")["split"] == "train").to_numpy()
    known = tables.read_taxonomy(given.taxonomy)
    clades = study_clades(tables.read_table(given.table), known)
    lineages = list(known.reindex(basis.taxa).fillna("Unassigned"))
    shares = images.shares(stored["counts"])
    values = images.raw_values(stored["counts"], "clr", basis.pseudocount)[train]
    save(draw.draw_taxa(basis, lineages, shares[train].mean(axis=0), train.sum(), clades), output.taxa, dpi=150)
    save(draw.draw_channels(basis, shares[train].mean(axis=0), train.sum()), output.channels, dpi=150)
    places, labels = contrast.shown_samples(design, encoding, snakemake.params.previews)
    samples = draw.draw_samples(basis, shares[places], list(design.index[places]), labels, lineages, clades)
    save(samples, output.samples, dpi=150)
    groups = contrast.largest_contrast(values, design[train], encoding)
    save(draw.draw_difference(basis, values, groups, lineages), output.difference, dpi=150)
    save(draw.draw_noise(json.loads(Path(given.quality).read_text())), output.noise, dpi=150)
