"""Simulated genomes: KO copies that relatives share, copies of the 16S gene, and a map of pathways to KOs.

Nothing here comes from KEGG but numbers: pathway numbers, one group for each of the 16 channels, and the KOs that
make short-chain fatty acids. All other KOs are made up and numbered from K90001; which KO lies in which pathway and
which genome has it is drawn at random.
"""

import numpy as np
import pandas as pd

from taxoscape.demo.community import clade_normal

_SCFA = """
K00929 K00634 K01034 K01035 K19709 K00248 K17865 K14534 K18122
K00925 K00625 K13788 K15024 K01067 K18118 K01905 K22224 K24012 K00156
K01847 K01848 K01849 K05606 K11264 K01604 K17489 K17490 K20509 K03416 K22214 K01026 K20626 K20627
K01699 K13919 K13920 K13922 K13923 K19697 K00932
"""
SCFA = tuple(_SCFA.split())  # butyrate, acetate, propionate (two lines)
# Group: pathway numbers, made-up KOs, and how common they are (mean of the latent copies, see `draw_copies`).
GROUPS = {
    "carbohydrate": ("00010 00020 00030 00500 00520 00620 00640 00650", 30, 0.6),
    "energy": ("00190 00680 00710 00720 00910 00920", 16, 0.3),
    "lipid": ("00061 00071 00561 00564", 12, 0.4),
    "amino acid": ("00250 00260 00270 00290 00300 00330 00340 00400 00450", 36, 0.6),
    "nucleotide": ("00230 00240", 18, 0.8),
    "vitamins": ("00670 00730 00740 00760 00770 00780 00790 00860", 22, 0.2),
    "glycan": ("00511 00540 00550", 10, 0.2),
    "replication and repair": ("03030 03410 03420 03430 03440", 12, 1.0),
    "transcription": ("03020", 4, 1.0),
    "translation": ("00970 03010", 22, 1.0),
    "folding": ("03018 03060", 8, 0.8),
    "membrane transport": ("02010 02060 03070", 22, 0.3),
    "signal transduction": ("02020", 12, 0.0),
    "motility": ("02030 02040", 8, -0.5),
    "xenobiotics and secondary": ("00362 00625 01051 01055", 10, -0.7),
    "none": ("05111 05120", 20, 0.0),  # maps of diseases, which belong to no channel
}
LOOSE = 20  # made-up KOs in no pathway at all
RARITY = -0.3  # mean of the latent copies of SCFA KOs and loose ones
SPREAD = 0.5  # standard deviation of the means over the KOs of a group
MOST = 8  # copies of a KO, and of 16S genes, in a genome
SECOND = 0.1  # share of the KOs that lie in a second pathway
FIRST_KO = 90001


def draw_map(rng: np.random.Generator) -> tuple[dict[str, list[str]], pd.Series]:
    """Draw pathway -> KOs, and how common each KO is (index KO, sorted; mean of its latent copies)."""
    pathways, common = {}, {}
    number = FIRST_KO
    for numbers, size, mean in GROUPS.values():
        names = [f"ko{name}" for name in numbers.split()]
        for place in range(size):
            ko = f"K{number + place}"
            common[ko] = mean
            pathways.setdefault(names[place % len(names)], []).append(ko)
        number += size
    for place, ko in enumerate(SCFA):
        common[ko] = RARITY
        pathways[("ko00620", "ko00640", "ko00650")[place % 3]].append(ko)
    common |= {f"K{number + place}": RARITY for place in range(LOOSE)}
    for ko in rng.choice(sorted(common), round(SECOND * len(common)), replace=False):
        members = pathways[sorted(pathways)[rng.integers(len(pathways))]]
        if ko not in members:
            members.append(ko)
    means = pd.Series(common).sort_index()
    return dict(sorted(pathways.items())), means + SPREAD * rng.standard_normal(len(means))


def draw_copies(lineages: list[tuple[str, ...]], means: pd.Series, rng: np.random.Generator) -> np.ndarray:
    """KO copies [genomes, KOs]: ceil of a normal latent whose covariance follows the lineages, none below 0."""
    latent = means.to_numpy() + clade_normal(lineages, len(means), rng)
    return np.clip(np.ceil(latent), 0, MOST).astype(np.int64)


def draw_16s(lineages: list[tuple[str, ...]], rng: np.random.Generator) -> np.ndarray:
    """Copies [genomes] of the 16S gene, 1 to MOST, alike among relatives (median about 4)."""
    return np.clip(np.rint(4 + 2 * clade_normal(lineages, 1, rng)[:, 0]), 1, MOST).astype(np.int64)
