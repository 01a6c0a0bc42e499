"""Generate: model and the test samples' conditions -> a table of counts and the conditions it was generated for."""

from taxoscape import checkpoint, device
from taxoscape.diffusion import models
from taxoscape.diffusion.study import condition_rows, generated_conditions, read_study
from taxoscape.errors import logged
from taxoscape.files import write_tsv
from taxoscape.tables import write_table

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    device.settle(params.config["device"], params.config["threads"], "diffusion.device")
    study = read_study(given.composition, given.design, given.encoding, given.splits)
    rows = condition_rows(study, params.config["samples"], params.seed)
    asked = study.samples.take(rows)
    counts = models.generate(checkpoint.load(given.model), asked.values, asked.missing, study.depth, params.seed)
    conditions = generated_conditions(study, rows)
    write_table(counts, study.taxa, conditions["sample"], wanted.table)
    write_tsv(conditions, wanted.conditions)
