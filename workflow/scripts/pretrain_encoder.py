"""Pretrain: counts, sequences and tree of a fold's training samples -> encoder, its quality on the fold's others."""

import numpy as np

from taxoscape.aam import data, pretrain, quality
from taxoscape.aam.options import options_of
from taxoscape.files import write_json, write_npz, write_text
from taxoscape.job import logged
from taxoscape.learning import checkpoint, device, task
from taxoscape.learning import loop as training

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, seed = options_of(device.placed(params.config, "aam.device")), (params.seed, int(snakemake.wildcards.fold))
    training.settle(options)
    study = data.read_study(given.table, given.sequences, given.tree, given.rarefied, options, given.taxonomy)
    groups, fold = task.read_folds(study.samples, given.design, given.splits, seed[1])
    train, test = np.flatnonzero((fold >= 0) & (fold != seed[1])), np.flatnonzero(fold == seed[1])
    if options.encoder:
        pretrain.check_unseen(pretrain.read_encoder(options.encoder, options), options.encoder, study.samples)
    folder = checkpoint.resume_folder("aam", {**params, "seed": seed}, list(given))
    store = training.Store(folder / "encoder.pt")
    model, history = pretrain.pretrain(study, train, groups[train], options, seed, store)
    write_npz(wanted.embeddings, **quality.embeddings(model, study, train, options, seed))
    write_json(quality.judge(model, study, train, test, options, seed), wanted.quality)
    write_text(training.lines([history]), wanted.history)
    learned = train[~pretrain.held_out(groups[train], options, seed)]
    references = pretrain.references_of(study, learned, options, seed)
    pretrain.save_encoder(model, options, wanted.model, study, references, study.samples[train])
    checkpoint.remove(folder)
