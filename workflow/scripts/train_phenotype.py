"""Learn distributions of host variables: reads, what is known of taxa, metadata -> the model of a fold, its losses."""

from taxoscape import taxa
from taxoscape.files import write_text
from taxoscape.job import logged
from taxoscape.learning import checkpoint, device
from taxoscape.learning.loop import place_of
from taxoscape.learning.monitor import lines
from taxoscape.learning.processes import together
from taxoscape.phenotype import ensemble, study
from taxoscape.phenotype.options import Options

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options, fold = Options(**device.placed(params.config, "phenotype.device")), int(snakemake.wildcards.fold)
    device.settle(options.device, options.threads, "phenotype.device")
    design = given.design, given.encoding, given.splits
    data = study.read_study(given.table, given.rarefied, design, params.targets, options.fields, fold)
    sources = taxa.read_sources(given.embedding, given.channels, given.taxonomy, given.tree)
    place = place_of("phenotype", {**params, **snakemake.wildcards}, list(given), snakemake.log[0])
    with together(options.processes):
        model, histories = ensemble.train_fold(data, sources, fold, options, params.seed, place)
    write_text(lines(histories), wanted.history)
    checkpoint.save(model, wanted.model)
    checkpoint.remove(place.resume)
