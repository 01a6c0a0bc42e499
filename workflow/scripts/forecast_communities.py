"""Forecast: forecasters and every subject's samples -> distributions after its last sample, also drawn as counts."""

import numpy as np

from taxoscape.files import write_npz, write_tsv
from taxoscape.forecast import counts, models, paths
from taxoscape.forecast.courses import read_courses
from taxoscape.job import logged
from taxoscape.learning import device
from taxoscape.tables import write_table

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = models.Options(**device.placed(params.config, "forecast.device"))
    device.settle(options.device, options.threads, "forecast.device")
    courses = read_courses(given.composition, given.design, given.encoding, given.splits, params.time["column"])
    found = models.read_forecasters(given.model, options.device)
    horizons = paths.horizons_of(courses, options.horizons)
    made = paths.forecast(found, courses, horizons, params.seed, most=options.subjects)
    write_tsv(paths.table(made, courses.taxa), wanted.table, float_format="%.6g")
    index = {name: made.index[name].to_numpy() for name in made.index}
    arrays = {"drawn": made.drawn.astype(np.float32), "values": made.values, "shares": made.shares}
    write_npz(wanted.draws, taxa=courses.taxa, **index, **arrays)
    table, about = counts.drawn_counts(made, courses.depth, options.kept_draws, paths.seen(found, courses, made.index))
    write_table(table, courses.taxa, about["sample"], wanted.counts, None, about.to_dict("records"))
    write_tsv(about, wanted.about)
