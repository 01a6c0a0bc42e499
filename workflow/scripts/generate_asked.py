"""Generate what is asked for: a model and a user's conditions -> counts, landscapes and the conditions row by row."""

from taxoscape import metadata
from taxoscape.basis import load_basis
from taxoscape.diffusion import asked, models
from taxoscape.diffusion.written import write_communities
from taxoscape.files import read_json, write_tsv
from taxoscape.job import logged
from taxoscape.learning import device
from taxoscape.learning.communities import read_study

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    place = device.here(params.config["device"], "diffusion.device")
    device.settle(place, params.config["threads"], "diffusion.device")
    study = read_study(given.composition, given.design, given.encoding, given.splits)
    encoding = read_json(given.encoding)
    conditions = asked.read_asked(given.conditions, encoding["fields"])
    asked.check_known(given.conditions, conditions, encoding)
    wished, names = metadata.encode(conditions, encoding), conditions["sample"]
    model, basis = models.read_model(given.model, place), load_basis(given.basis)
    write_communities(model, wished, names, study, params.seed, basis, wanted.table, wanted.landscapes)
    write_tsv(conditions, wanted.conditions)
    print(f"each of {study.depth:,} reads, those of other taxa included")
