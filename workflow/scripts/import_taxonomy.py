"""Import taxonomy: the study's own lineages -> one row for every feature of the table, in our form."""

from taxoscape import tables
from taxoscape.files import write_tsv
from taxoscape.job import logged
from taxoscape.taxonomy import lineages

with logged(snakemake.log[0]):
    table = tables.read_table(snakemake.input.table)
    given = lineages.read_given(snakemake.input.given)
    taxonomy = lineages.complete(table.ids("observation"), given)
    write_tsv(taxonomy, snakemake.output.taxonomy)
    reads = table.sum("observation")
    write_tsv(lineages.summarise(taxonomy["Taxon"], reads), snakemake.output.summary)
    write_tsv(lineages.top_taxa(taxonomy["Taxon"], reads), snakemake.output.top)
