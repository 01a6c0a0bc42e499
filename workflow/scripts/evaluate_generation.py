"""Evaluate generation: generated communities, resampling, a copula, held-out samples -> metrics, figures, verdict."""

import json
from pathlib import Path

from taxoscape.evaluation import figures, generation, study_sets
from taxoscape.job import logged
from taxoscape.learning.communities import read_study
from taxoscape.scoring.results import write_results

with logged(snakemake.log[0]):
    inputs, params, outputs = snakemake.input, snakemake.params, snakemake.output
    options = generation.Options(**params.config)
    study = read_study(inputs.composition, inputs.design, inputs.encoding, inputs.splits)
    sets = study_sets.gather(study, inputs.table, inputs.conditions)
    kind = json.loads(Path(inputs.quality).read_text())["model"]
    found = study_sets.evaluate(sets, study, options, kind=kind, seed=params.seed, threads=snakemake.threads)
    write_results(found, outputs.metrics)
    figures.plot_metrics(found.main, outputs.figure)
    figures.plot_taxa(*study_sets.at_common_depth(sets, params.seed), outputs.taxa)
