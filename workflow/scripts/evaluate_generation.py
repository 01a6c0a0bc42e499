"""Evaluate generation: generated communities, resampling and a copula against held-out samples -> figures, verdict."""

import json
from pathlib import Path

from taxoscape.evaluation import figures, generation, study_sets
from taxoscape.job import logged
from taxoscape.learning.communities import read_study
from taxoscape.scoring.results import write_results

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = generation.Options(**params.config)
    study = read_study(given.composition, given.design, given.encoding, given.splits)
    sets = study_sets.gather(study, given.table, given.conditions)
    kind = json.loads(Path(given.quality).read_text())["model"]
    found = study_sets.evaluate(sets, study, options, kind=kind, seed=params.seed, threads=snakemake.threads)
    write_results(found, wanted.metrics)
    figures.draw_metrics(found.main, wanted.figure)
    figures.draw_taxa(*study_sets.at_common_depth(sets, params.seed), wanted.taxa)
