"""Summarise functions: table and profiles -> samples x KO, samples x channels, what of each sample has no profile."""

from taxoscape import tables
from taxoscape.files import write_tsv
from taxoscape.functions import channels, ko_tables, profiles, samples
from taxoscape.job import logged

with logged(snakemake.log[0]):
    given, config = dict(snakemake.input.items()), snakemake.params.config
    table, evidence = tables.read_table(given["table"]), profiles.read_evidence(given["nsti"])
    names, counts = list(table.ids()), tables.counts(table, taxa=evidence.index)
    copies = ko_tables.read_ko(given["ko"], set(evidence.index)).reindex(evidence.index)
    pathways = channels.read_map(given["map"])
    weight = channels.weights(copies.columns, channels.read_channels(given["channels"]), pathways)
    genomes = samples.genomes(counts, evidence, config["normalise"])
    samples.write_copies(samples.in_samples(genomes, copies), names, copies.columns, snakemake.output.ko)
    mapped = copies @ weight
    write_tsv(samples.channel_table(genomes, mapped, names), snakemake.output.channels)
    write_tsv(samples.describe(names, counts, evidence), snakemake.output.samples)
    for path in snakemake.output.stratified:
        samples.write_stratified(genomes, mapped, names, path)
