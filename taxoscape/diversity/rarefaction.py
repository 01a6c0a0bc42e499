"""Rarefaction curves: richness and Shannon diversity that a sample would show at lower depths, exactly.

Of a sample's n reads, x_i of taxon i, m are drawn without replacement. The reads of taxon i among them are
hypergeometric, so with p_i(k) = C(x_i, k) C(n - x_i, m - k) / C(n, m)

    E[richness] = sum_i 1 - p_i(0)                            (Hurlbert 1971)
    E[Shannon]  = sum_i sum_k p_i(k) (-k/m ln k/m)            (Chao, Wang and Jost 2013)

No draw is made: a curve is the mean over all possible ones. Taxa with the same number of reads share their terms.
"""

import math

import numpy as np
import pandas as pd
from scipy.special import gammaln

from taxoscape.compiled import compiled

NEGLIGIBLE = 1e-17  # of the largest probability of a taxon


def depths(reads: np.ndarray, points: int, rarefied: int) -> np.ndarray:
    """Depths (reads) of all curves: `points` up to the largest sample, denser where curves bend, and the rarefied one.

    They grow with the square of their number.
    """
    grid = np.ceil(reads.max() * (np.arange(1, points + 1) / points) ** 2)
    return np.unique(np.append(grid, rarefied)).astype(np.int64)


def expected_richness(counts: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Expected number of taxa of a sample [taxa] at depths [m] up to its reads."""
    abundance, taxa = np.unique(counts[counts > 0], return_counts=True)
    reads = counts.sum()
    rest = reads - abundance[:, None]
    possible = rest >= depth  # else every draw holds the taxon
    short = np.where(possible, rest - depth, 0)
    absent = gammaln(rest + 1) - gammaln(short + 1) - (gammaln(reads + 1) - gammaln(reads - depth + 1))
    return taxa @ -np.expm1(np.where(possible, np.minimum(absent, 0.0), -np.inf))


def expected_shannon(counts: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Expected Shannon diversity (nats) of a sample [taxa] at depths [m] up to its reads."""
    abundance, taxa = np.unique(counts[counts > 0], return_counts=True)
    return _expected_shannon(abundance.astype(np.int64), taxa.astype(np.int64), int(counts.sum()), depth)


def curves(counts: np.ndarray, samples: list[str], depth: np.ndarray) -> pd.DataFrame:
    """Curves of samples [samples, taxa]: sample, depth, richness, shannon.

    Each goes through the given depths below its reads and ends at them; samples without a read have none.
    """
    found = []
    for name, row in zip(samples, counts, strict=True):
        reads = int(row.sum())
        own = np.append(depth[depth < reads], reads)[: 0 if reads == 0 else None]
        found.append(
            pd.DataFrame(
                {
                    "sample": name,
                    "depth": own,
                    "richness": expected_richness(row, own) if reads else [],
                    "shannon": expected_shannon(row, own) if reads else [],
                }
            )
        )
    return pd.concat(found, ignore_index=True)


@compiled()
def _expected_shannon(abundance, taxa, reads, depth):
    expected = np.zeros(len(depth))
    for place in range(len(depth)):
        drawn = depth[place]
        for index in range(len(abundance)):
            expected[place] += taxa[index] * _term(abundance[index], reads, drawn)
    return expected


@compiled()
def _term(count, reads, drawn):
    """Expectation of -k/m ln k/m over the reads k of one taxon: from the likeliest k outwards, by ratios."""
    low, high = max(0, drawn - (reads - count)), min(count, drawn)
    mode = min(max((drawn + 1) * (count + 1) // (reads + 2), low), high)
    peak = math.exp(_log_choose(count, mode) + _log_choose(reads - count, drawn - mode) - _log_choose(reads, drawn))
    total, probability = peak * _surprise(mode, drawn), peak
    for k in range(mode, high):
        probability *= (count - k) / (k + 1) * (drawn - k) / (reads - count - drawn + k + 1)
        if probability < NEGLIGIBLE * peak:
            break
        total += probability * _surprise(k + 1, drawn)
    probability = peak
    for k in range(mode, low, -1):
        probability *= k / (count - k + 1) * (reads - count - drawn + k) / (drawn - k + 1)
        if probability < NEGLIGIBLE * peak:
            break
        total += probability * _surprise(k - 1, drawn)
    return total


@compiled()
def _log_choose(n, k):
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)


@compiled()
def _surprise(k, drawn):
    return 0.0 if k == 0 else -(k / drawn) * math.log(k / drawn)
