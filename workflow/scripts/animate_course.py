"""Animate a course: one subject's landscape in time, observed and forecast -> a page with a slider."""

from taxoscape import tables
from taxoscape.files import write_text
from taxoscape.forecast import animation, models, paths
from taxoscape.forecast.courses import read_courses
from taxoscape.job import logged
from taxoscape.learning import device
from taxoscape.palette import clades_at, study_clades

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = models.Options(**device.placed(params.config, "forecast.device"))
    device.settle(options.device, options.threads, "forecast.device")
    courses = read_courses(given.composition, given.design, given.encoding, given.splits, params.time["column"])
    subject, unit = animation.subject_of(courses, options.subject), params.time["unit"]
    horizons = paths.horizons_of(courses, options.horizons)
    shown = animation.frames(
        models.read_forecasters(given.model, options.device), courses, subject, horizons, params.seed
    )
    positions = tables.read_tsv(given.positions, "positions").set_index("taxon").loc[courses.taxa]
    known = tables.read_taxonomy(given.taxonomy)
    clades, lineages = study_clades(tables.read_table(given.table), known), known.reindex(courses.taxa)
    clade, colours = clades_at(list(lineages.fillna("Unassigned")), clades, clades.rank)
    drawn = positions, animation.labels(lineages), [colours[name] for name in clade], colours
    write_text(animation.page(given.template, shown, *drawn, subject=subject, unit=unit), wanted.html)
