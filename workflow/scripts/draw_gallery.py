"""Draw gallery: basis, composition, lineages and metadata -> one interactive page that needs no network."""

import json
from pathlib import Path

from taxoscape import images, metadata, tables
from taxoscape.files import write_text
from taxoscape.job import logged
from taxoscape.palette import study_clades
from taxoscape.previews import gallery

with logged(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    basis, stored = images.load_basis(given.basis), images.load_composition(given.composition)
    design = metadata.read_design(given.design).loc[stored["samples"]]
    encoding = json.loads(Path(given.encoding).read_text())
    train = (tables.read_tsv(given.splits, "splits")["split"] == "train").to_numpy()
    known = tables.read_taxonomy(given.taxonomy)
    clades = study_clades(tables.read_table(given.table), known)
    lineages = list(known.reindex(basis.taxa).fillna("Unassigned"))
    shown = (params.gallery, clades, params.seed)
    content, arrays = gallery.gather(basis, stored, lineages, design, encoding, train, *shown)
    groups, differences = gallery.compare(stored["counts"][train], basis, design[train], encoding, params.seed)
    note = gallery.functions_note(given.functions)
    folder = Path(given.templates[0]).parent
    words = {"simulated": params.simulated, "functions": note, "studied": len(stored["samples"])}
    html = gallery.page(folder, content | groups, arrays | differences, **words)
    write_text(html, snakemake.output.html)
