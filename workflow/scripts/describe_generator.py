"""Describe: what was trained and how it was judged -> the card of the generator."""

from taxoscape.files import read_json, write_text
from taxoscape.job import logged
from taxoscape.report.cards import card, generator_data
from taxoscape.scoring.results import read_results

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    quality, found = read_json(given.quality), read_results(given.metrics)
    kind = "copula" if quality["model"] == "copula" else "diffusion"
    write_text(card(kind, found, generator_data(found, quality), params.config, [given.model]), wanted.card)
