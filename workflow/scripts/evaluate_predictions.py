"""Judge: out-of-fold predictions of all folds -> one table, the baselines on the same folds, metrics, a picture."""

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.aam import evaluate, figures
from taxoscape.aam.options import Options
from taxoscape.files import write_json, write_tsv
from taxoscape.job import logged
from taxoscape.learning import task
from taxoscape.scoring.baselines import Evidence

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, target = Options(**params.config), snakemake.wildcards.target
    table = tables.read_table(given.rarefied)
    samples = table.ids()
    frozen = evaluate.read_frozen(given.embeddings, samples)
    fields = task.read_other_fields(samples, given.design, given.encoding, target)
    evidence = Evidence(tables.counts(table), np.load(given.distances, mmap_mode="r"), fields, frozen)
    firsts = task.read_repeats(samples, given.splits).max(axis=0)  # a fold of each repeat
    goals = [task.read_task(samples, given.design, given.encoding, given.splits, target, fold) for fold in firsts]
    ours = evaluate.read_predictions(given.predictions, goals[0])
    theirs = [evaluate.baseline_predictions(goal, samples, evidence, options, params.seed) for goal in goals]
    theirs = pd.concat(theirs, ignore_index=True)
    report = evaluate.evaluate(goals[0], samples, ours, theirs, options, params.seed)
    write_tsv(ours, wanted.predictions)
    write_tsv(theirs, wanted.baselines)
    write_json(report, wanted.metrics)
    figures.draw_predictions(ours, goals[0].categories, goals[0].name, goals[0].unit, wanted.figure)
    print(report["verdict"])
