"""Run PERMANOVA: distances and metadata -> PERMANOVA and PERMDISP of every field by every metric."""

from taxoscape.diversity import permanova, study
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    params = snakemake.params
    design, comparisons = study.read_comparisons(snakemake.input.design, snakemake.input.encoding, params.config)
    distances, why_not = study.of_design(snakemake.input.distances, design)
    tests = permanova.field_tests(distances, comparisons, params.config["permutations"], params.seed, why_not)
    write_tsv(tests, snakemake.output.tests, float_format="%.6g")
