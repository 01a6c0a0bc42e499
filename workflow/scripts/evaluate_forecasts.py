"""Evaluate forecasts: every subject's later samples from its earlier ones, next to the baselines -> metrics."""

from taxoscape.files import write_tsv
from taxoscape.forecast import figures, models, paths, trial
from taxoscape.forecast.courses import read_courses
from taxoscape.job import logged
from taxoscape.learning import device
from taxoscape.scoring.results import write_results

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = models.Options(**device.placed(params.config, "forecast.device"))
    device.settle(options.device, options.threads, "forecast.device")
    courses = read_courses(given.composition, given.design, given.encoding, given.splits, params.time["column"])
    horizons = paths.horizons_of(courses, options.horizons)
    done = trial.run(models.read_forecasters(given.model, options.device), courses, horizons, options, params.seed)
    found = trial.results(done, horizons, params.time["unit"], options.bootstraps, params.seed)
    write_results(found, wanted.metrics)
    write_tsv(trial.per_taxon(done, courses.taxa), wanted.taxa, float_format="%.6g")
    figures.draw_errors(found, wanted.errors)
    figures.draw_coverage(found, wanted.coverage)
