"""Draw what every depth would keep of the samples and of the reads, and the depth in use."""

import json
from pathlib import Path

from taxoscape import tables
from taxoscape.job import logged
from taxoscape.rarefy.figures import draw_depths

with logged(snakemake.log[0]):
    chosen = json.loads(Path(snakemake.input.depth).read_text())
    draw_depths(tables.read_tsv(snakemake.input.depths, "depths").astype(float), chosen, snakemake.output.figure)
