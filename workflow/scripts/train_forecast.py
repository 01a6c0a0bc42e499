"""Train forecasters: samples, times, fields and folds -> one forecaster per fold, their losses, what was trained."""

import torch

from taxoscape.files import write_json, write_tsv
from taxoscape.forecast import folds, models
from taxoscape.forecast.courses import read_courses
from taxoscape.job import logged
from taxoscape.learning import checkpoint

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = models.Options(**params.config)
    torch.set_num_threads(options.threads)
    courses = read_courses(given.composition, given.design, given.encoding, given.splits, params.time["column"])
    folder = checkpoint.resume_folder("forecast", dict(params.items()), list(given))
    found, history = folds.fit(courses, options, params.seed, folder)
    write_tsv(history, wanted.history)
    write_json(folds.describe(found, history, courses), wanted.quality)
    checkpoint.save(found, wanted.model)
    checkpoint.remove(folder)
