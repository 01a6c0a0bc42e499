"""Dequantisation: integer counts -> positive real numbers -> standardised centred log-ratios.

A count c stands for every real number in [c, c + 1): noise within it (Theis et al. 2016, arXiv:1511.01844) gives the
network a density to learn, zeros are not one repeated value, and rounding down is the exact inverse. The noise is
uniform over all samples; in each of them it is what its other counts make likely, where that is known (copula.place).
"""

from dataclasses import dataclass

import numpy as np

from taxoscape.compositions import clr

# Smallest share of a read that a count is raised by: bounds the logarithm of a zero at ln 0.01.
SMALLEST = 0.01
# Standard deviations below it are taken as 1: such a taxon does not vary in training.
FLAT = 1e-6
# Dequantised copies of the training table that the constants are averaged over.
COPIES = 8


@dataclass(frozen=True)
class Scaler:
    """Mean [D] and standard deviation [D] of the training samples' centred log-ratios."""

    mean: np.ndarray
    std: np.ndarray


def dequantise(counts: np.ndarray, rng: np.random.Generator, places: np.ndarray | None = None) -> np.ndarray:
    """Spread counts [N, D] within themselves: c -> a real number in [c + SMALLEST, c + 1).

    `places` [N, K, D] are K draws of where, in 256ths, one of which is taken; without them it is anywhere.
    """
    if places is None:
        return counts + rng.uniform(SMALLEST, 1.0, size=counts.shape)
    chosen = places[np.arange(len(counts)), rng.integers(places.shape[1], size=len(counts))]
    return counts + np.maximum((chosen + rng.uniform(size=counts.shape)) / 256, SMALLEST)


def fit_scaler(counts: np.ndarray, rng: np.random.Generator, places: np.ndarray | None = None) -> Scaler:
    """Constants of the centred log-ratios of training counts [N, D]."""
    logratios = np.concatenate([clr(dequantise(counts, rng, places)) for _ in range(COPIES)])
    std = logratios.std(axis=0)
    return Scaler(logratios.mean(axis=0), np.where(std > FLAT, std, 1.0))


def encode(
    counts: np.ndarray, scaler: Scaler, rng: np.random.Generator, places: np.ndarray | None = None
) -> np.ndarray:
    """Standardised centred log-ratios [N, D] of counts [N, D], freshly dequantised."""
    return (clr(dequantise(counts, rng, places)) - scaler.mean) / scaler.std


def decode(values: np.ndarray, scaler: Scaler) -> np.ndarray:
    """Centred log-ratios [N, D] of standardised values [N, D]."""
    return values * scaler.std + scaler.mean
