"""Graft ASVs into the reference tree at their likeliest places -> tree of both, and the places."""

import json
from pathlib import Path

from taxoscape.files import write_text, write_tsv
from taxoscape.job import logged
from taxoscape.phylogeny.graft import graft, likeliest, placement_table, read_placements
from taxoscape.phylogeny.rooting import newick

with logged(snakemake.log[0]):
    jplace = json.loads(Path(snakemake.input.placements).read_text())
    places = likeliest(read_placements(jplace))
    write_text(newick(graft(jplace["tree"], places)), snakemake.output.tree)
    write_tsv(placement_table(places), snakemake.output.places)
