"""Compare interventions: the same subjects and noise with a planned field at two values -> differences and a map."""

import json
from pathlib import Path

from taxoscape import tables
from taxoscape.files import write_tsv
from taxoscape.forecast import figures, models, paths, what_if
from taxoscape.forecast.courses import read_courses
from taxoscape.job import logged
from taxoscape.learning import device

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = models.Options(**device.placed(params.config, "forecast.device"))
    device.settle(options.device, options.threads, "forecast.device")
    courses = read_courses(given.composition, given.design, given.encoding, given.splits, params.time["column"])
    learned = json.loads(Path(given.encoding).read_text())
    horizons = paths.horizons_of(courses, options.horizons)
    channels = what_if.read_channels(given.channels, courses.taxa)
    found = what_if.compare(
        models.read_forecasters(given.model, options.device), courses, learned, horizons, options, channels, params.seed
    )
    write_tsv(found, wanted.table, float_format="%.6g")
    positions = tables.read_tsv(given.positions, "positions").set_index("taxon").astype(int)
    names = what_if.labels(tables.read_taxonomy(given.taxonomy), courses.taxa)
    figures.draw_what_if(found, horizons[0], params.time["unit"], positions, names, wanted.figure)
