"""Measure alpha: rarefied counts, tree, metadata -> diversity within every sample, its tests by field, figure."""

from taxoscape import tables, trees, unifrac
from taxoscape.diversity import alpha, figures
from taxoscape.diversity.study import read_comparisons
from taxoscape.files import write_tsv
from taxoscape.job import logged

with logged(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.output
    table = tables.read_table(given.table)
    tree = trees.tree_arrays(trees.read_tree(given.tree))
    faith_pd = unifrac.faith_pd(tables.counts(table, taxa=tree.tips), tree)
    found = alpha.alpha_diversity(tables.counts(table), faith_pd).set_axis(table.ids()).rename_axis("sample")
    write_tsv(found.reset_index(), wanted.alpha)
    design, comparisons = read_comparisons(given.design, given.encoding, params.config)
    of_design = found.loc[design.index]
    tests = alpha.alpha_tests(of_design, comparisons, params.config["permutations"], params.seed)
    write_tsv(tests, wanted.tests, float_format="%.6g")
    figures.draw_alpha(of_design, tests, design, comparisons, wanted.figure)
