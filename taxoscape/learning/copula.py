"""Gaussian copula of counts, given conditions: a generator in its own right, the baseline, and what tells zeros apart.

Every count is a normal score that is known to lie between two thresholds, the training quantiles of the count below
and of its own: the extended rank likelihood of Hoff 2007 (Ann. Appl. Stat. 1:265, doi:10.1214/07-AOAS107). Scores are
linear in the conditions (ridge) plus a Gaussian with a shrunk covariance; both are fitted to scores that Gibbs
sampling draws between the thresholds, each taxon given all others. So a zero where its companions are common is a near
miss, and one where they are missing is not; ranks with ties broken at random would lose what zeros share.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.covariance import ledoit_wolf

from taxoscape.learning.communities import Samples
from taxoscape.learning.counts import Calibration, calibrate, fit_calibration

# Penalty of the ridge on conditions, in samples: weak, there are few conditions.
RIDGE = 1.0
# Sweeps of Gibbs sampling to fit, the last half of which are averaged, and before scores are kept.
SWEEPS, BURN_IN = 60, 20
# Scores kept for every sample, at most and at least, and sweeps from one to the next; with many samples few will do.
DRAWS, FEWEST, APART = 16, 2, 2
# Scores of a taxon over all samples that are enough.
ENOUGH = 50_000
# Samples that it is fitted to, at most: time grows with their number and the square of the taxa.
MOST = 2000
# Samples whose scores are drawn at a time.
BATCH = 2000
# Taxa whose scores are drawn between one matrix product and the next.
BLOCK = 128
# Draws at the training conditions that the marginals are fitted on, at least.
MARGINAL = 4000
# Probabilities are kept this far from 0 and 1; scores so lie within +-7.
SMALLEST = 1e-12


@dataclass(frozen=True)
class Copula:
    """Coefficients [1 + K, D], covariance of residuals [D, D], and what scores mean in counts."""

    coefficients: np.ndarray
    covariance: np.ndarray
    reference: np.ndarray  # [N, D] training counts, each column sorted
    scores: np.ndarray  # [Q, D] quantiles of the scores
    amounts: np.ndarray  # [Q, D] quantiles of the logarithms of dequantised training counts


def fit(counts: np.ndarray, features: np.ndarray, rng: np.random.Generator) -> Copula:
    """Fit to training counts [N, D] and condition features [N, K] (K may be 0)."""
    if len(counts) > MOST:
        rows = rng.choice(len(counts), MOST, replace=False)
        counts, features = counts[rows], features[rows]
    reference, design = np.sort(counts, axis=0), _design(features)
    low, high = _thresholds(counts, reference)
    penalty = np.diag([0.0] + [RIDGE] * features.shape[1])
    scores, sums = ndtri((ndtr(low) + ndtr(high)) / 2), (0.0, 0.0)
    for sweep in range(SWEEPS):
        coefficients = np.linalg.solve(design.T @ design + penalty, design.T @ scores)
        covariance = ledoit_wolf(scores - design @ coefficients)[0]
        if sweep >= SWEEPS // 2:
            sums = sums[0] + coefficients, sums[1] + covariance
        _sweep(scores, design @ coefficients, np.linalg.inv(covariance), (low, high), rng)
    coefficients, covariance = (total / (SWEEPS - SWEEPS // 2) for total in sums)
    drawn = _draw(coefficients, covariance, np.tile(features, (-(-MARGINAL // len(features)), 1)), rng)
    marginals = fit_calibration(drawn, counts, rng)
    return Copula(coefficients, covariance, reference, marginals.generated, marginals.training)


def sample(copula: Copula, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw amounts [M, D] (dequantised reads) at condition features [M, K]."""
    scores = _draw(copula.coefficients, copula.covariance, features, rng)
    return np.exp(calibrate(scores, Calibration(copula.scores, copula.amounts)))


def place(copula: Copula, parts: list[tuple[Samples, np.ndarray]], rng: np.random.Generator) -> list[Samples]:
    """Say where in [c, c + 1) each count lies, given the sample's other counts and its conditions.

    `parts` are samples with their condition features [N, K], the training samples first: their scores say which places
    a count's scores are spread over, so that over all training samples the places of a count are uniform.
    """
    scores = [impute(copula, samples.counts, features, rng) for samples, features in parts]
    known = parts[0][0].counts
    return [
        replace(samples, places=_places(own, samples.counts, scores[0], known))
        for (samples, _), own in zip(parts, scores, strict=True)
    ]


def impute(copula: Copula, counts: np.ndarray, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scores [S, N, D] of counts [N, D] at condition features [N, K], S draws between their thresholds."""
    number = int(np.clip(ENOUGH // max(len(counts), 1), FEWEST, DRAWS))
    drawn, precision = np.empty((number, *counts.shape), np.float32), np.linalg.inv(copula.covariance)
    for start in range(0, len(counts), BATCH):
        rows = slice(start, start + BATCH)
        low, high = _thresholds(counts[rows], copula.reference)
        mean, scores = _design(features[rows]) @ copula.coefficients, ndtri((ndtr(low) + ndtr(high)) / 2)
        for sweep in range(BURN_IN + number * APART):
            _sweep(scores, mean, precision, (low, high), rng)
            if sweep >= BURN_IN and sweep % APART == 0:
                drawn[(sweep - BURN_IN) // APART, rows] = scores
    return drawn


def condition_features(values: np.ndarray, missing: np.ndarray, categories: list[int]) -> np.ndarray:
    """Encoded conditions [N, F] as plain features [N, K]: number or one-hot, 0 where missing, and a missing flag."""
    parts = [np.zeros((len(values), 0))]
    for field, number in enumerate(categories):
        known = ~missing[:, field]
        column = np.where(known, values[:, field], 0.0)
        shown = (column[:, None] == np.arange(number)) if number else column[:, None]
        parts += [shown * known[:, None], missing[:, field, None].astype(float)]
    return np.concatenate(parts, axis=1)


def _thresholds(counts: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores between which those of counts [N, D] lie, by the sorted training counts [M, D]."""
    ends = np.empty((2, *counts.shape))
    for taxon in range(counts.shape[1]):
        ends[0, :, taxon] = np.searchsorted(reference[:, taxon], counts[:, taxon], "left")
        ends[1, :, taxon] = np.searchsorted(reference[:, taxon], counts[:, taxon], "right") + 1
    low, high = ndtri(ends / (len(reference) + 1))
    return low, high


def _sweep(
    scores: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
    thresholds: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Draw scores [N, D] anew between their thresholds, each taxon given all others; in place.

    What all others say is one product for a block of taxa, and within it corrected by what the block has changed.
    """
    away, levels = scores - mean, rng.uniform(size=scores.shape[::-1])
    varies = np.flatnonzero(~np.isinf(thresholds).all(axis=0).all(axis=0))
    for block in np.split(varies, range(BLOCK, len(varies), BLOCK)):
        said, change = away @ precision[:, block], np.zeros((len(scores), len(block)))
        for place, taxon in enumerate(block):
            said[:, place] += change[:, :place] @ precision[block[:place], taxon]
            variance = 1 / precision[taxon, taxon]
            centre = scores[:, taxon] - variance * said[:, place]
            low, high = (ndtr((end[:, taxon] - centre) / np.sqrt(variance)) for end in thresholds)
            chance = np.clip(low + levels[taxon] * (high - low), SMALLEST, 1 - SMALLEST)
            drawn = centre + np.sqrt(variance) * ndtri(chance)
            # Far in a tail the two probabilities are the same number: the nearer threshold stands for the score.
            drawn = np.clip(drawn, thresholds[0][:, taxon], thresholds[1][:, taxon])
            change[:, place] = drawn - scores[:, taxon]
            scores[:, taxon] = drawn
        away[:, block] += change


def _places(scores: np.ndarray, counts: np.ndarray, others: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Places [N, S, D] in 256ths of scores [S, N, D] among training scores [T, M, D] of the same count."""
    places = np.empty((counts.shape[0], *scores.shape[::2]), np.uint8)
    apart = (
        2.0 * float(max(np.abs(scores).max(initial=0), np.abs(others).max())) + 1
    )  # between the scores of two counts
    for taxon in range(counts.shape[1]):
        reference = np.sort((others[:, :, taxon] + apart * known[:, taxon].astype(float)).ravel())
        middle = apart * counts[:, taxon].astype(float)
        first, last = (np.searchsorted(reference, middle + side * apart / 2) for side in (-1, 1))
        rank = np.searchsorted(reference, scores[:, :, taxon] + middle) - first
        places[:, :, taxon] = (256 * (rank + 0.5) / (last - first + 1)).T
    return places


def _draw(coefficients: np.ndarray, covariance: np.ndarray, features: np.ndarray, rng: np.random.Generator):
    variances, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(variances, 0.0)) @ vectors.T
    return _design(features) @ coefficients + rng.standard_normal((len(features), len(factor))) @ factor


def _design(features: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)
