"""Generate: model and the test samples' conditions -> counts, landscapes and the conditions they were generated for."""

from taxoscape.basis import load_basis
from taxoscape.diffusion import models
from taxoscape.diffusion.written import write_communities
from taxoscape.files import write_tsv
from taxoscape.job import logged
from taxoscape.learning import device
from taxoscape.learning.communities import condition_rows, generated_conditions, read_study

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    place = device.here(params.config["device"], "diffusion.device")
    device.settle(place, params.config["threads"], "diffusion.device")
    study = read_study(given.composition, given.design, given.encoding, given.splits)
    rows = condition_rows(study, params.config["samples"], params.seed)
    conditions, samples = generated_conditions(study, rows), study.samples.take(rows)
    asked, names = (samples.values, samples.missing), conditions["sample"]
    model, basis = models.read_model(given.model, place), load_basis(given.basis)
    write_communities(model, asked, names, study, params.seed, basis, wanted.table, wanted.landscapes)
    write_tsv(conditions, wanted.conditions)
