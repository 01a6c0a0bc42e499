"""Sequencing: true counts -> read pairs whose errors follow the qualities of real reads (P = 10^(-Q/10))."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from taxoscape.demo.sources import BASES, CYCLES

WORSE = {"run1": 0, "run2": 1}  # Phred lost in each run
LOWEST = 2  # Phred
CHIMERAS, CHIMERA_SHARE = 2, 0.005  # of each sample, and the share of its pairs that each of them has
MARGIN = 60  # nt of either parent that a chimera has at least


@dataclass(frozen=True)
class Pairs:
    """Read pairs of a sample: base codes (0-3 for ACGT) and Phred qualities, both [pairs, 2, CYCLES] uint8."""

    bases: np.ndarray
    quality: np.ndarray


def draw_counts(shares: np.ndarray, pairs: int, rng: np.random.Generator) -> np.ndarray:
    """True reads [taxa] of a sample: a multinomial draw from its shares."""
    return rng.multinomial(pairs, shares)


def codes(sequence: str) -> np.ndarray:
    """Base codes of a sequence of A, C, G, T."""
    return np.searchsorted(BASES, np.frombuffer(sequence.encode(), dtype=np.uint8)).astype(np.uint8)


def ends(sequence: str) -> np.ndarray:
    """First CYCLES bases [2, CYCLES] (codes) of a sequence and of its reverse complement."""
    whole = codes(sequence)
    return np.stack([whole[:CYCLES], (3 - whole)[::-1][:CYCLES]])


def draw_chimeras(sequences: list[str], shares: np.ndarray, rng: np.random.Generator) -> Iterator[str]:
    """CHIMERAS of two different taxa, parents drawn by their shares: the start of one, the end of the other."""
    if np.count_nonzero(shares) < 2:
        return
    for _ in range(CHIMERAS):
        left, right = (sequences[taxon] for taxon in rng.choice(len(shares), 2, replace=False, p=shares))
        place = int(rng.integers(MARGIN, CYCLES - MARGIN))
        yield left[:place] + right[place - len(left) :]


def draw_pairs(
    templates: np.ndarray, counts: np.ndarray, qualities: np.ndarray, worse: int, rng: np.random.Generator
) -> Pairs:
    """Sequence each template [n, 2, CYCLES] `counts` times, in random order.

    Each pair takes the qualities of a real pair [pairs, 2, CYCLES], lowered by `worse`; a base is replaced by one of
    the three others with probability 10^(-Q/10).
    """
    order = rng.permutation(np.repeat(np.arange(len(templates)), counts))
    quality = qualities[rng.integers(len(qualities), size=len(order))]
    quality = np.maximum(quality.astype(np.int16) - worse, LOWEST).astype(np.uint8)
    chance = 10 ** (-np.arange(100) / 10)
    wrong = rng.random(quality.shape, dtype=np.float32) < chance.astype(np.float32)[quality]
    bases = templates[order]
    bases[wrong] = (bases[wrong] + rng.integers(1, 4, np.count_nonzero(wrong), dtype=np.uint8)) % 4
    return Pairs(bases, quality)


def fastq(sample: str, pairs: Pairs, mate: int) -> str:
    """FASTQ text of the forward (mate 1) or reverse (mate 2) reads; both name a pair alike."""
    lines = []
    letters = BASES[pairs.bases[:, mate - 1]]
    scores = pairs.quality[:, mate - 1] + 33
    for number, (read, score) in enumerate(zip(letters, scores, strict=True), 1):
        lines += f"@{sample}.{number} {mate}:N:0:1", read.tobytes().decode(), "+", score.tobytes().decode()
    return "\n".join(lines) + "\n" if lines else ""
