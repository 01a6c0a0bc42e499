"""Train forecasters: samples, times, fields and folds -> one forecaster per fold, their losses, what was trained."""

from taxoscape.files import write_json, write_tsv
from taxoscape.forecast import folds, models
from taxoscape.forecast.courses import read_courses
from taxoscape.job import logged
from taxoscape.learning import checkpoint, device
from taxoscape.learning.loop import place_of
from taxoscape.learning.processes import together

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = models.Options(**device.placed(params.config, "forecast.device"))
    device.settle(options.device, options.threads, "forecast.device")
    courses = read_courses(given.composition, given.design, given.encoding, given.splits, params.time["column"])
    place = place_of("forecast", dict(params.items()), list(given), snakemake.log[0])
    with together(options.processes):
        found, history = folds.fit(courses, options, params.seed, place)
    write_tsv(history, wanted.history)
    write_json(folds.describe(found, history, courses), wanted.quality)
    checkpoint.save(found, wanted.model)
    checkpoint.remove(place.resume)
