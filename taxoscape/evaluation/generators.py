"""Communities with their conditions, the generators that hand them out, and the depth at which they are compared."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from taxoscape.rarefy import draw


@dataclass(frozen=True)
class Communities:
    """Counts [N, D] with condition features [N, K] and the group of each sample [N]."""

    counts: np.ndarray
    features: np.ndarray
    groups: np.ndarray

    def take(self, rows: np.ndarray) -> "Communities":
        """Samples at these rows (indices or flags)."""
        return Communities(self.counts[rows], self.features[rows], self.groups[rows])


# (random generator, number of samples) -> communities
Generator = Callable[[np.random.Generator, int], Communities]


def resample(training: Communities) -> Generator:
    """The baseline that copies: training samples drawn with replacement, each in its subject's group.

    Their reads are drawn anew when all are brought to one depth, as the held-out samples' are. (Drawn to the full
    depth with replacement first they would lose rare taxa twice: AUC 0.73 instead of 0.71 on real subjects.)
    """

    def generate(rng: np.random.Generator, number: int) -> Communities:
        return training.take(rng.integers(0, len(training.counts), number))

    return generate


def subset(finished: Communities) -> Generator:
    """A finished table as a generator: other samples of it each time, each once."""

    def generate(rng: np.random.Generator, number: int) -> Communities:
        return finished.take(rng.permutation(len(finished.counts))[:number])

    return generate


def common_depth(real: np.ndarray) -> int:
    """Reads to which all samples are brought: what every held-out sample [N, D] has, but at least half their median.

    Retained taxa hold fewer reads than the rarefied depth, in every sample others.
    """
    totals = real.sum(axis=1)
    return int(max(totals.min(), np.median(totals) // 2, 1))


def thin(communities: Communities, depth: int, seed: tuple[int, ...]) -> Communities:
    """Draw `depth` reads of every sample without replacement; samples with fewer are left out."""
    kept = communities.take(communities.counts.sum(axis=1) >= depth)
    drawn = [draw(counts, depth, (*seed, row)) for row, counts in enumerate(kept.counts)]
    shape = (len(drawn), communities.counts.shape[1])
    return Communities(np.array(drawn, dtype=np.int64).reshape(shape), kept.features, kept.groups)


def few(communities: Communities, most: int, seed: tuple[int, ...]) -> Communities:
    """The communities, or `most` of them at random where there are more."""
    if len(communities.counts) <= most:
        return communities
    return communities.take(np.sort(np.random.default_rng(seed).permutation(len(communities.counts))[:most]))
