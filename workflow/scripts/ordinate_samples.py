"""Ordinate samples: distances -> principal coordinates and what each explains."""

from taxoscape.diversity import beta, study
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    distances, samples, _ = study.read_distances(snakemake.input.distances)
    places, explained = beta.ordinate(distances, samples, snakemake.params.seed)
    write_tsv(places, snakemake.output.places, float_format="%.7g")
    write_tsv(explained, snakemake.output.explained, float_format="%.7g")
