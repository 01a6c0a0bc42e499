"""Gaussian copula of counts, given conditions: a generator, the baseline, and what distinguishes one zero from another.

Every count is a normal score that is known to lie between two thresholds, the training quantiles of the count below
and of its own: the extended rank likelihood of Hoff 2007 (Ann. Appl. Stat. 1:265, doi:10.1214/07-AOAS107). Scores are
a cubic spline of each continuous condition and a constant for each category (ridge), plus a Gaussian with a shrunk
covariance; both are fitted to scores that Gibbs sampling draws between the thresholds, each taxon given all others. So
a zero where its companions are common is a near miss, and one where they are missing is not; ranks with ties broken at
random would lose what zeros share.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.covariance import ledoit_wolf
from sklearn.preprocessing import SplineTransformer

from taxoscape.learning.communities import Samples
from taxoscape.learning.counts import Calibration, calibrate, fit_calibration

# Penalty of the ridge on conditions, in samples: weak, there are few conditions.
RIDGE = 1.0
# Knots of a continuous condition, at most, and training samples that each needs.
KNOTS, PER_KNOT = 5, 10
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
    """Conditions [F], coefficients [1 + K, D], covariance of residuals [D, D], and what scores mean in counts."""

    categories: np.ndarray  # [F] number of categories, 0 = continuous
    knots: np.ndarray  # [F, KNOTS] of the splines, NaN where a field has fewer
    coefficients: np.ndarray
    covariance: np.ndarray
    reference: np.ndarray  # [N, D] training counts, each column sorted
    scores: np.ndarray  # [Q, D] quantiles of the scores
    amounts: np.ndarray  # [Q, D] quantiles of the logarithms of dequantised training counts


def fit(samples: Samples, categories: list[int], rng: np.random.Generator) -> Copula:
    """Fit to training samples: counts [N, D] given their conditions, of so many `categories` [F] each (0: a number)."""
    if len(samples.counts) > MOST:
        samples = samples.take(rng.choice(len(samples.counts), MOST, replace=False))
    counts, knots = samples.counts, place_knots(samples.values, samples.missing, categories)
    reference, design = np.sort(counts, axis=0), _design(samples.values, samples.missing, categories, knots)
    low, high = _thresholds(counts, reference)
    penalty = np.diag([0.0] + [RIDGE] * (design.shape[1] - 1))
    scores, sums = ndtri((ndtr(low) + ndtr(high)) / 2), (0.0, 0.0)
    for sweep in range(SWEEPS):
        coefficients = np.linalg.solve(design.T @ design + penalty, design.T @ scores)
        covariance = ledoit_wolf(scores - design @ coefficients)[0]
        if sweep >= SWEEPS // 2:
            sums = sums[0] + coefficients, sums[1] + covariance
        _sweep(scores, design @ coefficients, np.linalg.inv(covariance), (low, high), rng)
    coefficients, covariance = (total / (SWEEPS - SWEEPS // 2) for total in sums)
    drawn = _draw(np.tile(design @ coefficients, (-(-MARGINAL // len(counts)), 1)), covariance, rng)
    marginals = fit_calibration(drawn, counts, rng)
    return Copula(
        np.array(categories, int), knots, coefficients, covariance, reference, marginals.generated, marginals.training
    )


def sample(copula: Copula, values: np.ndarray, missing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw amounts [M, D] (dequantised reads) at conditions: values [M, F] and missing flags [M, F]."""
    scores = _draw(_mean(copula, values, missing), copula.covariance, rng)
    return np.exp(calibrate(scores, Calibration(copula.scores, copula.amounts)))


def place(copula: Copula, parts: list[Samples], rng: np.random.Generator) -> list[Samples]:
    """Say where in [c, c + 1) each count lies, given the sample's other counts and its conditions.

    The training samples come first: their scores say which places a count's scores are spread over, so that over all
    training samples the places of a count are uniform.
    """
    scores = [impute(copula, samples, rng) for samples in parts]
    return [
        replace(samples, places=_places(own, samples.counts, scores[0], parts[0].counts))
        for samples, own in zip(parts, scores, strict=True)
    ]


def impute(copula: Copula, samples: Samples, rng: np.random.Generator) -> np.ndarray:
    """Scores [S, N, D] of counts [N, D] at their conditions, S draws between their thresholds."""
    counts, means = samples.counts, _mean(copula, samples.values, samples.missing)
    number = int(np.clip(ENOUGH // max(len(counts), 1), FEWEST, DRAWS))
    drawn, precision = np.empty((number, *counts.shape), np.float32), np.linalg.inv(copula.covariance)
    for start in range(0, len(counts), BATCH):
        rows = slice(start, start + BATCH)
        low, high = _thresholds(counts[rows], copula.reference)
        mean, scores = means[rows], ndtri((ndtr(low) + ndtr(high)) / 2)
        for sweep in range(BURN_IN + number * APART):
            _sweep(scores, mean, precision, (low, high), rng)
            if sweep >= BURN_IN and sweep % APART == 0:
                drawn[(sweep - BURN_IN) // APART, rows] = scores
    return drawn


def place_knots(values: np.ndarray, missing: np.ndarray, categories: list[int]) -> np.ndarray:
    """Knots [F, KNOTS] of the conditions [N, F], NaN where fewer are used: quantiles of the known values.

    k knots need k + 2 different values, one for each coefficient, and PER_KNOT samples each. A field with fewer than
    two knots is linear.
    """
    knots = np.full((len(categories), KNOTS), np.nan)
    for field in np.flatnonzero(np.array(categories) == 0):
        known = values[~missing[:, field], field]
        count = min(KNOTS, len(np.unique(known)) - 2, len(known) // PER_KNOT)
        if count > 1:
            found = np.unique(np.quantile(known, np.linspace(0, 1, count)))
            knots[field, : len(found)] = found
    return knots


def condition_features(
    values: np.ndarray, missing: np.ndarray, categories: list[int], knots: np.ndarray | None = None
) -> np.ndarray:
    """Encoded conditions [N, F] as features [N, K]: number or one-hot, 0 where missing, and a missing flag.

    With `knots` [F, KNOTS] numbers are a basis of cubic splines, linear beyond the outer knots.
    """
    parts = [np.zeros((len(values), 0))]
    for field, number in enumerate(categories):
        known = ~missing[:, field]
        column = np.where(known, values[:, field], 0.0)[:, None]
        if number:
            columns = column == np.arange(number)
        else:
            columns = column if knots is None else _splines(column, knots[field])
        parts += [columns * known[:, None], missing[:, field, None].astype(float)]
    return np.concatenate(parts, axis=1)


def _splines(column: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Cubic splines [N, K] of numbers [N, 1]; the numbers where there are no two knots."""
    knots = knots[~np.isnan(knots), None]
    if len(knots) < 2:
        return column
    splines = SplineTransformer(degree=3, knots=knots, extrapolation="linear", include_bias=False).fit(knots)
    return splines.transform(column) if len(column) else np.zeros((0, splines.n_features_out_))


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

    The effect of all others is one product for a block of taxa, corrected within it by what the block has changed.
    """
    away, levels = scores - mean, rng.uniform(size=scores.shape[::-1])
    varies = np.flatnonzero(~np.isinf(thresholds).all(axis=0).all(axis=0))
    for block in np.split(varies, range(BLOCK, len(varies), BLOCK)):
        effect, change = away @ precision[:, block], np.zeros((len(scores), len(block)))
        for place, taxon in enumerate(block):
            effect[:, place] += change[:, :place] @ precision[block[:place], taxon]
            variance = 1 / precision[taxon, taxon]
            centre = scores[:, taxon] - variance * effect[:, place]
            low, high = (ndtr((end[:, taxon] - centre) / np.sqrt(variance)) for end in thresholds)
            chance = np.clip(low + levels[taxon] * (high - low), SMALLEST, 1 - SMALLEST)
            drawn = centre + np.sqrt(variance) * ndtri(chance)
            # Far in a tail the two probabilities are the same number: the nearer threshold is taken as the score.
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


def _draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    variances, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(variances, 0.0)) @ vectors.T
    return mean + rng.standard_normal(mean.shape) @ factor


def _mean(copula: Copula, values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    return _design(values, missing, list(copula.categories), copula.knots) @ copula.coefficients


def _design(values: np.ndarray, missing: np.ndarray, categories: list[int], knots: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(values)), condition_features(values, missing, categories, knots)])
