"""The anchor: population curve + effects of fields + a Gaussian process over the subject's own deviations.

    x(t) = m(t) + f b + g(t) + e,   cov(g(t), g(s)) = A + C exp(-|u(t) - u(s)| / L),   var(e) = E

m is a kernel mean over the other subjects; f are the fields that may be planned, b a ridge;
u(t) = ln(t - first + step) because communities change faster early on; A is what stays of a subject for good, C what
is forgotten, E what no other sample shows. The forecast is the conditional mean of x given the earlier samples: with
C alone and no E it is persistence, with A alone the shrunken mean of the subject, with neither the population
(Rasmussen and Williams 2006, chapter 2). A, C, L and E are shared by all taxa, whose deviations are divided by their
standard deviation, and maximise the likelihood.

The same weights in root shares (square roots of relative abundances, where dominant taxa keep their distances) give
the forecast of shares. Everything is fitted on training subjects; a subject of the training is always left out of
its own population curve.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from taxoscape.forecast.courses import rows_of
from taxoscape.learning.copula import condition_features

# Bandwidths of the population curve that are tried, as shares of the span of warped time.
BANDWIDTHS = (0.02, 0.04, 0.08, 0.16, 0.32)
# Penalties of the effects of fields that are tried, in samples; the last means none.
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1e9)
START = (0.3, 0.6, 0.1, 0.5)  # A, C, L (share of the span), E: where the search begins
STEPS = 200  # of the simplex search
FLAT = 1e-6  # standard deviations below it are taken as 1


@dataclass(frozen=True)
class Anchor:
    """What is learned of training samples [M]: see the head of this module; D taxa, K features of fields."""

    subjects: np.ndarray  # [M]
    warped: np.ndarray  # [M]
    values: np.ndarray  # [M, D] log-ratios without the effects of fields
    roots: np.ndarray  # [M, D]
    first: float
    step: float
    bandwidth: float
    centre: np.ndarray  # [K]
    effects: np.ndarray  # [K, D]
    covariance: np.ndarray  # A, C, L, E
    std: np.ndarray  # [D] of deviations
    categories: np.ndarray  # [F]
    planned: np.ndarray  # [F] whether a field may be planned


def warp(time: np.ndarray, first: float, step: float) -> np.ndarray:
    """u(t) = ln(t - first + step); times before the first are the first."""
    return np.log(np.maximum(np.asarray(time, dtype=float) - first, 0.0) + step)


def features(fields: np.ndarray, missing: np.ndarray, categories: np.ndarray, planned: np.ndarray) -> np.ndarray:
    """Planned fields of [N, F] as plain features [N, K]."""
    kept = np.flatnonzero(planned)
    return condition_features(fields[:, kept], missing[:, kept], [int(categories[field]) for field in kept])


def fit(
    subjects: np.ndarray,
    time: np.ndarray,
    values: np.ndarray,
    shares: np.ndarray,
    fields: np.ndarray,
    missing: np.ndarray,
    *,
    categories: list[int],
    planned: np.ndarray,
    step: float,
) -> Anchor:
    """Fit to training samples: values [M, D] (log-ratios), shares [M, D], fields [M, F]."""
    categories = np.array(categories, dtype=int)
    first = float(time.min())
    warped = warp(time, first, step)
    span = max(float(np.ptp(warped)), FLAT)
    errors = [
        ((values - _curve(warped, warped, values, width * span, subjects, subjects)) ** 2).sum() for width in BANDWIDTHS
    ]
    bandwidth = BANDWIDTHS[int(np.argmin(errors))] * span
    design = features(fields, missing, categories, planned)
    centre = design.mean(axis=0)
    deviations = values - _curve(warped, warped, values, bandwidth, subjects, subjects)
    effects = _effects(design - centre, deviations, subjects)
    values = values - (design - centre) @ effects
    deviations = values - _curve(warped, warped, values, bandwidth, subjects, subjects)
    std = deviations.std(axis=0)
    std = np.where(std > FLAT, std, 1.0)
    covariance = _fit_covariance(deviations / std, warped, subjects, span)
    return Anchor(
        subjects=subjects,
        warped=warped,
        values=values,
        roots=np.sqrt(shares),
        first=first,
        step=step,
        bandwidth=bandwidth,
        centre=centre,
        effects=effects,
        covariance=covariance,
        std=std,
        categories=categories,
        planned=planned,
    )


def population(anchor: Anchor, time: np.ndarray, subjects: np.ndarray, *, roots: bool = False) -> np.ndarray:
    """Kernel mean [N, D] at times [N] over the training samples of other subjects than [N]; without fields' effects."""
    of = anchor.roots if roots else anchor.values
    return _curve(warp(time, anchor.first, anchor.step), anchor.warped, of, anchor.bandwidth, subjects, anchor.subjects)


def expected(anchor: Anchor, time: np.ndarray, subjects: np.ndarray, fields: np.ndarray, missing: np.ndarray):
    """Log-ratios [N, D] that a subject of whom nothing is known would have at these times and fields."""
    design = features(fields, missing, anchor.categories, anchor.planned) - anchor.centre
    return population(anchor, time, subjects) + design @ anchor.effects


def weights(anchor: Anchor, history: np.ndarray, time: float) -> tuple[np.ndarray, float]:
    """Weights [H] of the deviations at times [H] in the forecast of the one at `time`, and its variance.

    The variance is in units of the squared standard deviation of deviations; E is part of it.
    """
    known, asked = (warp(t, anchor.first, anchor.step) for t in (history, np.array([time])))
    noise = anchor.covariance[3]
    cross = _covariance(asked, known, anchor.covariance)[0]
    found = np.linalg.solve(_covariance(known, known, anchor.covariance) + noise * np.eye(len(known)), cross)
    return found, float(anchor.covariance[0] + anchor.covariance[1] + noise - found @ cross)


def _curve(
    asked: np.ndarray, known: np.ndarray, values: np.ndarray, width: float, who: np.ndarray, whose: np.ndarray
) -> np.ndarray:
    """Gaussian kernel mean [N, D] at `asked` [N] of values [M, D] at `known` [M], own samples left out.

    Weights are scaled by the largest, so that far from all samples the nearest ones decide.
    """
    exponent = -0.5 * ((asked[:, None] - known[None]) / width) ** 2
    exponent[who[:, None] == whose[None]] = -np.inf
    top = exponent.max(axis=1, keepdims=True)
    kernel = np.exp(exponent - np.where(np.isfinite(top), top, 0.0))
    return kernel @ values / kernel.sum(axis=1, keepdims=True)


def _effects(design: np.ndarray, deviations: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Ridge [K, D] of deviations on features; the penalty with the least error on subjects left out."""

    gram, moments = design.T @ design, design.T @ deviations

    def solve(left: np.ndarray, penalty: float) -> np.ndarray:
        """Fit to all samples but those of the rows `left`, whose part of the sums is taken off."""
        out = design[left]
        penalised = gram - out.T @ out + penalty * np.eye(len(gram))
        return np.linalg.solve(penalised, moments - out.T @ deviations[left])

    if not design.shape[1]:
        return np.zeros((0, deviations.shape[1]))
    errors = np.zeros(len(PENALTIES))
    for own in rows_of(subjects).values():
        for place, penalty in enumerate(PENALTIES):
            errors[place] += ((deviations[own] - design[own] @ solve(own, penalty)) ** 2).sum()
    return solve(np.zeros(0, dtype=int), PENALTIES[int(np.argmin(errors))])


def _covariance(first: np.ndarray, second: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    constant, course, length = numbers[:3]
    return constant + course * np.exp(-np.abs(first[:, None] - second[None]) / length)


def _fit_covariance(deviations: np.ndarray, warped: np.ndarray, subjects: np.ndarray, span: float) -> np.ndarray:
    """A, C, L, E that maximise the likelihood of standardised deviations [M, D], taxa taken as independent."""
    parts = list(rows_of(subjects).values())
    outer = [deviations[rows] @ deviations[rows].T / deviations.shape[1] for rows in parts]

    def negative(logarithms: np.ndarray) -> float:
        numbers, total = np.exp(np.clip(logarithms, -12, 6)), 0.0
        for rows, product in zip(parts, outer, strict=True):
            matrix = _covariance(warped[rows], warped[rows], numbers) + (numbers[3] + FLAT) * np.eye(len(rows))
            total += np.linalg.slogdet(matrix)[1] + np.trace(np.linalg.solve(matrix, product))
        return total

    start = np.log(np.array(START) * np.array([1, 1, span, 1]))
    found = minimize(negative, start, method="Nelder-Mead", options={"maxiter": STEPS})
    return np.exp(np.clip(found.x, -12, 6))
