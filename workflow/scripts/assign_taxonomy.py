"""Assign taxonomy: ASVs, a training set and perhaps a species set -> lineages and bootstrap confidences."""

from taxoscape import tables
from taxoscape.files import write_json, write_tsv
from taxoscape.job import logged
from taxoscape.taxonomy import lineages
from taxoscape.taxonomy.classify import classify, provenance
from taxoscape.taxonomy.species import add_species

with logged(snakemake.log[0]):
    source, output, config = snakemake.input, snakemake.output, snakemake.params.config
    table = tables.read_table(source.table)
    features, reads = table.ids("observation"), table.sum("observation")
    asvs = lineages.classifiable(features, tables.read_fasta(source.sequences, may_be_empty=True))
    given, seed = list(asvs.values()), snakemake.params.seed
    names, bootstraps = classify(given, source.training_set, config, seed, snakemake.threads)
    names = add_species(given, names, source.species, config["allow_multiple"])
    taxonomy = lineages.complete(features, lineages.assigned(asvs, names, bootstraps))
    write_tsv(taxonomy, output.taxonomy)
    write_tsv(lineages.bootstrap_table(features, asvs, bootstraps), output.bootstraps)
    write_tsv(lineages.summarise(taxonomy["Taxon"], reads), output.summary)
    write_tsv(lineages.top_taxa(taxonomy["Taxon"], reads), output.top)
    write_json(provenance(config, seed, source.training_set, source.species), output.versions)
