"""What a reader may want next: the files of a run that the page links to, what each is, and how large it is."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

HOME = "results/report"  # where the page lies
# Path (a regular expression; {} is the target), group, and what it is.
FILES = [
    (
        r"results/images/gallery.html",
        "Pages",
        "Gallery of landscapes: every sample, time courses, groups, the map of taxa",
    ),
    (r"results/forecast/course.html", "Pages", "One subject's landscape in time, observed and forecast"),
    (r"results/reads/reads.html", "Pages", "Quality of the reads, sample by sample"),
    (r"results/export/README.txt", "Study", "How to load the study in R (phyloseq), QIIME 2 and Python"),
    (r"results/export/table.biom", "Study", "Counts with lineages and metadata (BIOM)"),
    (r"results/export/phyloseq/load_phyloseq.R", "Study", "R script that loads the study as a phyloseq object"),
    (r"results/export/qiime2/feature-table.biom", "Study", "Counts for `qiime tools import`"),
    (r"results/rarefy/table.biom", "Study", "Rarefied counts (BIOM)"),
    (r"results/taxonomy/taxonomy.tsv", "Study", "Lineage of every ASV"),
    (r"results/filter/asvs.fasta", "Study", "Sequence of every ASV (FASTA)"),
    (r"results/phylogeny/tree.nwk", "Study", "Tree of the ASVs (Newick)"),
    (r"results/functions/ko.tsv.gz", "Study", "Predicted gene copies (KO) of every ASV"),
    (r"results/unifrac/faith_pd.tsv", "Study", "Faith's phylogenetic diversity of every sample"),
    (r"results/images/composition.npz", "Landscapes", "Compositions that the landscapes are drawn from"),
    (
        r"results/images/basis.npz",
        "Landscapes",
        "Cells and kernels of the taxa: turns compositions into images and back",
    ),
    (r"results/aam/(.+)/predictions.tsv", "Learned", "{}: prediction of every sample"),
    (r"results/aam/(.+)/card.md", "Learned", "{}: model card of the attention model"),
    (r"results/phenotype/(.+)/predictions.tsv", "Learned", "{}: distribution of every sample, as mean and intervals"),
    (r"results/phenotype/(.+)/card.md", "Learned", "{}: model card of the phenotype diffusion"),
    (
        r"results/diffusion/generated.biom",
        "Learned",
        "Generated communities at the conditions of held-out samples (BIOM)",
    ),
    (r"results/diffusion/asked.biom", "Learned", "Generated communities at the conditions that were asked for (BIOM)"),
    (r"results/diffusion/card.md", "Learned", "Model card of the generator"),
    (r"results/forecast/forecasts.tsv", "Learned", "Every subject's next samples, forecast with intervals"),
    (r"results/forecast/forecasts.biom", "Learned", "Draws of every forecast, as counts (BIOM)"),
    (r"results/forecast/card.md", "Learned", "Model card of the forecasters"),
]


@dataclass(frozen=True)
class Download:
    """A link of the page: address relative to it, group, what the file is, its size in words."""

    address: str
    name: str
    group: str
    about: str
    size: str


def downloads(paths: list[str]) -> dict[str, list[Download]]:
    """Links to files that exist, by group, in the order of FILES."""
    found = [entry for pattern, group, about in FILES for entry in _matching(pattern, group, about, paths)]
    groups = dict.fromkeys(entry.group for entry in found)
    return {group: [entry for entry in found if entry.group == group] for group in groups}


def address(path: str) -> str:
    """Address of a file of the results, seen from the page."""
    return os.path.relpath(path, HOME)


def in_words(size: int) -> str:
    """Bytes as a reader wants them: `8 kB`, `1.4 MB`."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size / 1e3, 1):.0f} kB"


def _matching(pattern: str, group: str, about: str, paths: list[str]) -> list[Download]:
    matches = [(path, re.fullmatch(pattern, path)) for path in paths]
    return [
        Download(address(path), path, group, about.format(*match.groups()), in_words(Path(path).stat().st_size))
        for path, match in matches
        if match
    ]
