"""Describe: what was trained and how it was judged -> the card of the forecasters."""

from taxoscape.files import read_json, write_text
from taxoscape.job import logged
from taxoscape.report.cards import card, forecast_data
from taxoscape.scoring.results import read_results

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    found = read_results(given.metrics)
    data = forecast_data(found, params.config, read_json(given.quality))
    write_text(card("forecast", found, data, params.config, [given.model]), wanted.card)
