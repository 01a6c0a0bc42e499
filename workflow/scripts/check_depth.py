"""Check the depth: read pairs of every sample -> which samples can reach the depth."""

from taxoscape import rarefy, tables
from taxoscape.files import write_tsv
from taxoscape.job import logged
from taxoscape.rarefy import depth

with logged(snakemake.log[0]):
    reads = tables.read_tsv(snakemake.input.reads, "reads")[["sample", "pairs"]]
    pairs = reads["pairs"].astype(int)
    enough = rarefy.enough(pairs, depth.choose(pairs, snakemake.params.config))
    write_tsv(reads.assign(enough=enough), snakemake.output.reachable)
