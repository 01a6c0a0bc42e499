"""Describe: metrics, design and models of phenotype diffusion -> the card of its models."""

from taxoscape.files import read_json, write_text
from taxoscape.job import logged
from taxoscape.report.cards import predictor_card

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    write_text(
        predictor_card("phenotype", params.config, read_json(given.metrics), given.design, list(given.models)),
        wanted.card,
    )
