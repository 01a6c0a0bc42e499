"""Profile functions: evidence of the chosen method -> KO copies and channel shares of every feature of the table."""

from taxoscape import tables
from taxoscape.files import write_json, write_tsv
from taxoscape.functions import channels, ko_tables, profiles
from taxoscape.job import logged

with logged(snakemake.log[0]):
    method, files = snakemake.params.method, dict(snakemake.input.items())
    table = tables.read_table(files["table"])
    taxa = [str(taxon) for taxon in table.ids("observation")]
    copies, evidence = profiles.profile(method, taxa, files)
    copies = profiles.within_reach(copies, evidence, snakemake.params.config["max_nsti"])
    pathways = channels.read_map(files.get("map"))
    weight = channels.weights(copies.columns, channels.read_channels(files["channels"]), pathways)
    copies = channels.with_mapped(copies, weight)
    unmapped = channels.unmapped_share(copies, weight)
    copies, evidence = profiles.complete(copies, evidence, taxa)
    summary = profiles.quality(method, evidence, table.sum("observation"), unmapped)
    print(summary)
    ko_tables.write_ko(copies, snakemake.output.ko)
    write_tsv(channels.shares(copies, weight).reset_index(), snakemake.output.channels)
    acids = channels.acid_copies(copies, tables.read_tsv(files["acids"], "short-chain fatty acids"))
    write_tsv(acids.round(ko_tables.DECIMALS).reset_index(), snakemake.output.acids)
    write_tsv(evidence.reset_index(), snakemake.output.nsti)
    write_json(summary, snakemake.output.quality)
    write_json(profiles.provenance(method, files.get("version"), snakemake.params.config), snakemake.output.versions)
