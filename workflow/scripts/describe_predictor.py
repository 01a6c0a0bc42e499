"""Describe: metrics, design and models of a target -> the card of its models."""

from taxoscape.files import write_text
from taxoscape.job import logged
from taxoscape.report.cards import card, predictor_data
from taxoscape.scoring.results import read_results

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    found = read_results(given.metrics)
    data = predictor_data(found, params.config, given.design)
    write_text(card("aam", found, data, params.config, list(given.models)), wanted.card)
