"""Generate what is asked for: a model and a user's conditions -> a table of counts and the conditions row by row."""

from taxoscape import checkpoint, device, metadata
from taxoscape.diffusion import asked, models
from taxoscape.diffusion.study import read_study
from taxoscape.errors import logged
from taxoscape.files import read_json, write_tsv
from taxoscape.tables import write_table

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    device.settle(params.config["device"], params.config["threads"], "diffusion.device")
    study = read_study(given.composition, given.design, given.encoding, given.splits)
    encoding = read_json(given.encoding)
    conditions = asked.read_asked(given.conditions, encoding["fields"])
    asked.check_known(given.conditions, conditions, encoding)
    values, missing = metadata.encode(conditions, encoding)
    counts = models.generate(checkpoint.load(given.model), values, missing, study.depth, params.seed)
    write_table(counts, study.taxa, conditions["sample"], wanted.table)
    write_tsv(conditions, wanted.conditions)
    print(f"generated {len(conditions):,} communities of {study.depth:,} reads, those of other taxa included")
