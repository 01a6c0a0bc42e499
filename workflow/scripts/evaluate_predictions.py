"""Judge: out-of-fold predictions of all folds -> one table, the baselines on the same folds, metrics, a picture."""

from taxoscape import tables
from taxoscape.aam import evaluate, figures, task
from taxoscape.aam.options import Options
from taxoscape.errors import logged
from taxoscape.files import write_json, write_tsv

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = Options(**params.config)
    table = tables.read_table(given.rarefied)
    goal = task.read_task(table.ids(), given.design, given.encoding, given.splits, snakemake.wildcards.target)
    ours = evaluate.read_predictions(given.predictions, goal)
    theirs = evaluate.baseline_predictions(goal, table.ids(), tables.counts(table), options, params.seed)
    report = evaluate.evaluate(goal, table.ids(), ours, theirs, options, params.seed)
    write_tsv(ours, wanted.predictions)
    write_tsv(theirs, wanted.baselines)
    write_json(report, wanted.metrics)
    figures.draw_predictions(ours, goal.categories, goal.name, goal.unit, wanted.figure)
    print(report["verdict"])
