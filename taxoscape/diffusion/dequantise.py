"""Dequantisation: integer counts -> positive real numbers -> standardised centred log-ratios.

A count c stands for every real number in [c, c + 1): uniform noise within it (Theis et al. 2016, arXiv:1511.01844)
gives the network a density to learn, zeros are not one repeated value, and rounding down is the exact inverse.
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


def dequantise(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spread counts [N, D] uniformly within themselves: c -> a real number in [c + SMALLEST, c + 1)."""
    return counts + rng.uniform(SMALLEST, 1.0, size=counts.shape)


def fit_scaler(counts: np.ndarray, rng: np.random.Generator) -> Scaler:
    """Constants of the centred log-ratios of training counts [N, D]."""
    logratios = clr(dequantise(np.tile(counts, (COPIES, 1)), rng))
    std = logratios.std(axis=0)
    return Scaler(logratios.mean(axis=0), np.where(std > FLAT, std, 1.0))


def encode(counts: np.ndarray, scaler: Scaler, rng: np.random.Generator) -> np.ndarray:
    """Standardised centred log-ratios [N, D] of counts [N, D], freshly dequantised."""
    return (clr(dequantise(counts, rng)) - scaler.mean) / scaler.std


def decode(values: np.ndarray, scaler: Scaler) -> np.ndarray:
    """Centred log-ratios [N, D] of standardised values [N, D]."""
    return values * scaler.std + scaler.mean
