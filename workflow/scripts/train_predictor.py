"""Fine-tune: encoder and the known values of a target -> models of a fold, predictions of its test samples."""

from taxoscape.aam import data, finetune, predict, pretrain, saved
from taxoscape.aam.options import Options
from taxoscape.files import write_text, write_tsv
from taxoscape.job import logged
from taxoscape.learning import checkpoint, device, task
from taxoscape.learning.loop import place_of
from taxoscape.learning.monitor import lines
from taxoscape.learning.processes import together

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, fold = Options(**device.placed(params.config, "aam.device")), int(snakemake.wildcards.fold)
    device.settle(options.device, options.threads, "aam.device")
    study = data.read_study(given.table, given.sequences, given.tree, given.rarefied, options)
    goal = task.read_task(study.samples, given.design, given.encoding, given.splits, snakemake.wildcards.target, fold)
    base = pretrain.load_encoder(given.encoder, options)
    place = place_of("aam", {**params, **snakemake.wildcards}, list(given), snakemake.log[0])
    with together(options.processes):
        trained = finetune.train_fold(study, base, goal, fold, options, params.seed, place)
    train, test = goal.rows(fold)
    guess = finetune.predict_fold(trained, study, base, test, options, params.seed)
    width = predict.half_width(trained.residuals, options.interval)
    table = predict.frame(study.samples[test], fold, goal.values[test], guess, trained.target, width)
    write_tsv(table, wanted.predictions)
    write_text(lines(trained.histories), wanted.history)
    seen, held = study.samples[train].tolist(), study.samples[test].tolist()
    saved.save(saved.TrainedPredictor(trained, base, options, study.depth, params.seed, seen, held), wanted.model)
    checkpoint.remove(place.resume)
