"""Draw ordination: principal coordinates of all metrics, coloured by every field, with the tests above the panels."""

from taxoscape.diversity import figures, study
from taxoscape.job import logged

with logged(snakemake.log[0]):
    given, config = snakemake.input, snakemake.params.config
    design, comparisons = study.read_comparisons(given.design, given.encoding, config)
    places = study.read_ordinations(config["metrics"], given.places, given.explained)
    why_not = study.read_distances(given.distances[0])[2]
    tests = study.read_tests(given.tests)
    figures.draw_ordination(places, tests, design, comparisons, why_not, snakemake.output.figure)
