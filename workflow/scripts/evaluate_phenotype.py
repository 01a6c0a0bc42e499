"""Judge: the models of all folds -> draws for every held-out sample, the baselines beside them, metrics, pictures."""

from taxoscape import tables
from taxoscape.files import write_json, write_tsv
from taxoscape.job import logged
from taxoscape.learning import device
from taxoscape.learning.task import read_repeats
from taxoscape.phenotype import evaluate, figures, study
from taxoscape.phenotype.options import Options

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, target = Options(**device.placed(params.config, "phenotype.device")), snakemake.wildcards.target
    device.settle(options.device, options.threads, "phenotype.device")
    design = given.design, given.encoding, given.splits
    data = study.read_study(given.table, given.rarefied, design, params.targets, options.fields)
    rarefied = tables.counts(tables.read_table(given.rarefied))
    dealt = read_repeats(data.samples, given.splits)
    judged = evaluate.judge(data, target, dealt, given.models, rarefied, options, params.seed)
    write_tsv(judged.predictions, wanted.predictions)
    write_tsv(judged.baselines, wanted.baselines)
    write_json(judged.report, wanted.metrics)
    figures.draw_predictions(judged.predictions, target, judged.report["unit"], wanted.scatter)
    figures.draw_calibration(judged.truth, judged.forecasts, target, wanted.calibration)
    print(judged.report["verdict"])
