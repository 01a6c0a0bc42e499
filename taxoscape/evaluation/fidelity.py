"""Single properties of real and generated counts, each under bootstrap weights.

Everything takes counts at one common depth, [N, D] real and [M, D] generated, with weights [B, N] and [B, M], and
returns [B].
"""

import numpy as np
from scipy.spatial.distance import cdist

# Reads added before the logarithm of a mean abundance: half of one read in one sample of a hundred.
PSEUDO = 0.005


def prevalence_correlation(real: np.ndarray, generated: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Pearson correlation over taxa of the shares of samples that hold a taxon."""
    return _correlation(_mean(real > 0, w), _mean(generated > 0, v))


def abundance_correlation(real: np.ndarray, generated: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Pearson correlation over taxa of the logarithms of the mean counts."""
    return _correlation(np.log(_mean(real, w) + PSEUDO), np.log(_mean(generated, v) + PSEUDO))


def sparsity_difference(real: np.ndarray, generated: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Share of zeros in the generated table minus that in the real one."""
    return _mean(generated == 0, v).mean(axis=1) - _mean(real == 0, w).mean(axis=1)


def shannon_ks(real: np.ndarray, generated: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Kolmogorov-Smirnov distance of the Shannon indices, 0-1."""
    return _ks(shannon(real), shannon(generated), w, v)


def richness_ks(real: np.ndarray, generated: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Kolmogorov-Smirnov distance of the numbers of taxa, 0-1."""
    return _ks((real > 0).sum(axis=1), (generated > 0).sum(axis=1), w, v)


def energy_distance(real: np.ndarray, generated: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Energy distance in Bray-Curtis: 2 E d(x, y) - E d(x, x') - E d(y, y'); about 0 for one distribution.

    Szekely and Rizzo 2013. Pairs of a sample with itself, or with its bootstrap copy, are left out.
    """
    between = np.einsum("bi,bi->b", w @ cdist(real, generated, "braycurtis"), v) / (w.sum(axis=1) * v.sum(axis=1))
    return 2 * between - _within(real, w) - _within(generated, v)


METRICS = {
    "prevalence_correlation": prevalence_correlation,
    "abundance_correlation": abundance_correlation,
    "sparsity_difference": sparsity_difference,
    "shannon_ks": shannon_ks,
    "richness_ks": richness_ks,
    "energy_distance": energy_distance,
}


def shannon(counts: np.ndarray) -> np.ndarray:
    """Shannon index (natural logarithm) [N] of counts [N, D]."""
    share = counts / counts.sum(axis=1, keepdims=True)
    return -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ values / weights.sum(axis=1, keepdims=True)  # [B, D]


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    norm = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    # Taxa that are all equally common have no correlation.
    return np.divide((x * y).sum(axis=1), norm, out=np.full(len(x), np.nan), where=norm > 0)


def _ks(x: np.ndarray, y: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    steps = np.unique(np.concatenate([x, y]))
    below = [_mean(values[:, None] <= steps, weights) for values, weights in ((x, w), (y, v))]
    return np.abs(below[0] - below[1]).max(axis=1)


def _within(samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
    distances = cdist(samples, samples, "braycurtis")
    pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    total = np.einsum("bi,bi->b", weights @ distances, weights)
    return np.divide(total, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
