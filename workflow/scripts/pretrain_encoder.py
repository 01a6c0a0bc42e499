"""Pretrain: counts, sequences and tree of a fold's training samples -> encoder, its quality on the fold's others."""

import numpy as np

from taxoscape.aam import data, pretrain, quality
from taxoscape.aam.options import options_of
from taxoscape.files import write_json, write_npz, write_text
from taxoscape.job import logged
from taxoscape.learning import checkpoint, device, task
from taxoscape.learning.loop import place_of
from taxoscape.learning.monitor import lines
from taxoscape.learning.processes import together

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, seed = options_of(device.placed(params.config, "aam.device")), (params.seed, int(snakemake.wildcards.fold))
    device.settle(options.device, options.threads, "aam.device")
    study = data.read_study(given.table, given.sequences, given.tree, given.rarefied, options, given.taxonomy)
    groups, fold = task.read_folds(study.samples, given.design, given.splits, seed[1])
    train, test = np.flatnonzero((fold >= 0) & (fold != seed[1])), np.flatnonzero(fold == seed[1])
    if options.encoder:
        before = pretrain.read_encoder(options.encoder, options)
        pretrain.check_unseen(before, options.encoder, study.samples, pretrain.OTHER_STUDIES)
    place = place_of("aam", {**params, "seed": seed}, list(given), snakemake.log[0])
    with together(options.processes):
        model, history = pretrain.pretrain(study, train, groups[train], options, seed, place.of("encoder"))
    write_npz(wanted.embeddings, **quality.embeddings(model, study, train, options, seed))
    write_json(quality.judge(model, study, train, test, options, seed), wanted.quality)
    write_text(lines([history]), wanted.history)
    learned = train[~pretrain.held_out(groups[train], options, seed)]
    references = pretrain.references_of(study, learned, options, seed)
    pretrain.save_encoder(model, options, wanted.model, study, references, study.samples[train])
    checkpoint.remove(place.resume)
