"""Draw: held-out samples beside communities generated at their conditions, as landscapes."""

from taxoscape import images, tables
from taxoscape.basis import load_basis
from taxoscape.evaluation import study_sets
from taxoscape.figures import save
from taxoscape.files import read_json
from taxoscape.job import logged
from taxoscape.learning.communities import read_study
from taxoscape.palette import study_clades
from taxoscape.previews import draw

PAIRS = 6
TITLE = "Held-out samples, each beside one generated at its conditions"

with logged(snakemake.log[0]):
    given = snakemake.input
    study = read_study(given.composition, given.design, given.encoding, given.splits)
    sets = study_sets.gather(study, given.generated, given.conditions)
    counts, names, labels = study_sets.pairs(sets, study, read_json(given.encoding)["fields"], PAIRS)
    known, basis = tables.read_taxonomy(given.taxonomy), load_basis(given.basis)
    clades = study_clades(tables.read_table(given.table), known)
    lineages = list(known.reindex(basis.taxa).fillna("Unassigned"))
    figure = draw.draw_samples(basis, images.shares(counts), names, labels, lineages, clades, TITLE)
    save(figure, snakemake.output.figure, dpi=150)
