"""Learn to generate: retained counts and metadata of the training samples -> a model, its losses, its quality."""

from taxoscape import taxa
from taxoscape.basis import load_basis
from taxoscape.diffusion import models, terms
from taxoscape.diffusion.landscape import canvas_of
from taxoscape.files import write_json, write_tsv
from taxoscape.job import logged
from taxoscape.learning import checkpoint, device
from taxoscape.learning.communities import read_study
from taxoscape.learning.loop import place_of
from taxoscape.learning.monitor import table
from taxoscape.learning.processes import together

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    options = models.Options(**device.placed(params.config, "diffusion.device"))
    device.settle(options.device, options.threads, "diffusion.device")
    study = read_study(given.composition, given.design, given.encoding, given.splits)
    train, validation = (study.samples.take(study.rows(split)) for split in ("train", "validation"))
    known = None
    if options.model == "transformer":
        sources = taxa.read_sources(given.embedding, given.channels, given.taxonomy, given.tree)
        known = taxa.describe(sources, study.taxa)
    if options.model == "unet":
        known = canvas_of(load_basis(given.basis))
    relatives = terms.read_relatives(given.tree, study.taxa) if options.phylogenetic else terms.NOBODY
    place = place_of("diffusion", dict(params.items()), list(given), snakemake.log[0])
    with together(options.processes):
        model, history = models.fit(
            train, validation, study.depth, study.categories, options, params.seed, place, known, relatives
        )
    write_tsv(table(history), wanted.history)
    write_json(models.quality(model, history, train, validation, list(study.conditions)), wanted.quality)
    checkpoint.save(model, wanted.model)
    checkpoint.remove(place.resume)
