"""Judge: out-of-fold predictions of all folds -> one table, the baselines on the same folds, metrics, a figure."""

import numpy as np

from taxoscape.aam import evaluate
from taxoscape.aam.options import Options
from taxoscape.files import write_tsv
from taxoscape.job import logged
from taxoscape.learning import task
from taxoscape.learning.batches import read_reads
from taxoscape.scoring.baselines import Evidence
from taxoscape.scoring.figures import plot_predictions
from taxoscape.scoring.readings import read_counts
from taxoscape.scoring.results import write_results

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, target = Options(**params.config), snakemake.wildcards.target
    samples, _, reads, depth = read_reads(given.table, given.rarefied)
    frozen = evaluate.read_frozen(given.embeddings, samples)
    fields = task.read_other_fields(samples, given.design, given.encoding, target)
    counts = read_counts(reads, depth, params.seed)
    evidence = Evidence(counts, np.load(given.distances, mmap_mode="r"), fields, frozen)
    firsts = task.read_repeats(samples, given.splits).max(axis=0)  # a fold of each repeat
    goals = [task.read_task(samples, given.design, given.encoding, given.splits, target, fold) for fold in firsts]
    predicted = evaluate.read_predictions(given.predictions, goals[0])
    baselines, chosen = evaluate.baseline_predictions(goals, samples, evidence, options, params.seed)
    results = evaluate.evaluate(goals[0], samples, predicted, baselines, chosen, options, params.seed)
    write_tsv(predicted, wanted.predictions)
    write_tsv(baselines, wanted.baselines)
    write_results(results, wanted.metrics)
    plot_predictions(predicted, goals[0].categories, goals[0].name, goals[0].unit, wanted.figure)
    print(results.verdict.text)
