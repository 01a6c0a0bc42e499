"""Judge: the models of all folds -> draws for every held-out sample, the baselines beside them, metrics, pictures."""

from taxoscape.files import write_tsv
from taxoscape.job import logged
from taxoscape.learning import device
from taxoscape.learning.task import read_repeats
from taxoscape.phenotype import evaluate, study
from taxoscape.phenotype.options import Options
from taxoscape.scoring import figures
from taxoscape.scoring.results import write_results

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, target = Options(**device.placed(params.config, "phenotype.device")), snakemake.wildcards.target
    device.settle(options.device, options.threads, "phenotype.device")
    design = given.design, given.encoding, given.splits
    data = study.read_study(given.table, given.rarefied, design, params.targets, options.fields)
    dealt = read_repeats(data.samples, given.splits)
    judged = evaluate.judge(data, target, dealt, given.models, options, params.seed)
    write_tsv(judged.table, wanted.predictions)
    write_tsv(judged.baselines, wanted.baselines)
    write_results(judged.results, wanted.metrics)
    figures.plot_predictions(judged.table, None, target, judged.results.unit, wanted.scatter)
    figures.plot_calibration(judged.held.truth, judged.predictions, target, wanted.calibration)
    print(judged.results.verdict.text)
