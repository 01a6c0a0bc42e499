"""Learn distributions of host variables: reads, what is known of taxa, metadata -> the model of a fold, its losses."""

from taxoscape import taxa
from taxoscape.files import write_text
from taxoscape.job import logged
from taxoscape.learning import checkpoint
from taxoscape.learning.loop import lines
from taxoscape.phenotype import ensemble, saved, study, training
from taxoscape.phenotype.options import Options

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, fold = Options(**params.config), int(snakemake.wildcards.fold)
    training.settle(options)
    design = given.design, given.encoding, given.splits
    data = study.read_study(given.table, given.rarefied, design, params.targets, options.fields, fold)
    sources = taxa.read_sources(given.embedding, given.channels, given.taxonomy, given.tree)
    folder = checkpoint.resume_folder("phenotype", {**params, **snakemake.wildcards}, list(given))
    trained = ensemble.train_fold(data, sources, fold, options, params.seed, folder)
    write_text(lines(trained.histories), wanted.history)
    saved.save(trained, list(data.fields), options, data.samples[data.known(fold)].tolist(), wanted.model)
    checkpoint.remove(folder)
