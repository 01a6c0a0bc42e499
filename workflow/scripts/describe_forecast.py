"""Describe: what was trained and how it was judged -> the card of the forecasters."""

from taxoscape.files import read_json, write_text
from taxoscape.job import logged
from taxoscape.report.cards import forecast_card

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    quality, found = read_json(given.quality), read_json(given.metrics)
    write_text(forecast_card(params.config, quality, found, given.model), wanted.card)
