"""Clades and their colours: chosen once from all taxa of a study, so that every figure gives a clade the same one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import biom
import numpy as np
import pandas as pd

from taxoscape.taxonomy.lineages import RANKS, named_ranks

# Distinct for the colour-blind too (Okabe & Ito 2008, with two of Tol's muted scheme); the rest is grey.
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#882255", "#999933"]
OTHER, UNASSIGNED = "#8c8c8c", "#c8c8c8"
COLOURED = list(RANKS.values())[1:-1]  # ranks whose clades have colours: phylum to genus
FEWEST_CLADES = 4  # names that a rank must have to be worth colouring by
MOST_OF_ONE = 0.6  # share of the taxa that one name may have before a lower rank is taken


@dataclass(frozen=True)
class Clades:
    """The rank that figures colour by, and for each rank: clade -> colour, those with most reads first."""

    rank: str
    colours: dict[str, dict[str, str]]


def choose_clades(lineages: Sequence[str], reads: Sequence[float]) -> Clades:
    """Clades of a study that get colours of their own, from the lineages [D] of all its taxa and their reads [D].

    At each rank these are the names with most reads. Figures colour by the highest rank from phylum down with enough
    different names and none that most taxa bear; else by the phylum.
    """
    colours, worth = {}, []
    for rank in COLOURED:
        names, sums = names_at(lineages, rank), Counter()
        for name, count in zip(names, reads, strict=True):
            sums[name] += count
        del sums[""]
        ordered = sorted(sums, key=lambda name: (-sums[name], name))
        colours[rank] = dict(zip(ordered, PALETTE, strict=False))
        numbers = Counter(filter(None, names))
        if len(numbers) >= FEWEST_CLADES and max(numbers.values()) <= MOST_OF_ONE * len(names):
            worth.append(rank)
    return Clades(next(iter(worth), "phylum"), colours)


def study_clades(table: biom.Table, lineages: pd.Series) -> Clades:
    """Clades of a study (`choose_clades`) by its filtered table and the lineages of its features (index feature id)."""
    return choose_clades(lineages.reindex(table.ids("observation")).fillna("Unassigned"), table.sum("observation"))


def clades_at(lineages: Sequence[str], clades: Clades, rank: str) -> tuple[np.ndarray, dict[str, str]]:
    """Clade of each lineage [D] at a rank, and clade -> colour of those that occur.

    Clades without a colour of their own are `other`, taxa without a name at that rank `unassigned`.
    """
    known = clades.colours[rank]
    found = [name if name in known else "other" if name else "unassigned" for name in names_at(lineages, rank)]
    colours = known | {"other": OTHER, "unassigned": UNASSIGNED}
    occurring = set(found)
    return np.array(found, dtype=object), {name: colour for name, colour in colours.items() if name in occurring}


def names_at(lineages: Sequence[str], rank: str) -> list[str]:
    """Name of each lineage `k__..; p__..` at a rank, empty where it has none."""
    letter = next(letter for letter, name in RANKS.items() if name == rank)
    return [named_ranks(lineage).get(letter, "") for lineage in lineages]
