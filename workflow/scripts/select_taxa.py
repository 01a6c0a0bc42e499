"""Select taxa: rarefied counts, splits and tree -> the taxa of the landscape with their prevalence."""

from taxoscape import tables, trees
from taxoscape.files import write_tsv
from taxoscape.job import logged
from taxoscape.layout.select import select_taxa

with logged(snakemake.log[0]):
    config = snakemake.params.config
    table = tables.read_table(snakemake.input.table)
    splits = tables.read_tsv(snakemake.input.splits, "splits")
    tips = {tip.name for tip in trees.read_tree(snakemake.input.tree).tips()}
    samples, taxa = list(table.ids()), list(table.ids("observation"))
    kept = select_taxa(tables.counts(table), samples, taxa, splits, tips, config["prevalence"], config["grid"])
    print(f"{len(kept)} of {len(taxa)} taxa kept, with {kept['reads_share'].sum():.1%} of the training reads")
    write_tsv(kept, snakemake.output.taxa)
