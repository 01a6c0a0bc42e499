"""From generated log-ratios back to reads: marginal calibration, then integer counts that sum to the depth.

A network smooths over the spikes and tails of single taxa. Each taxon's generated values are therefore mapped onto
its training marginal, quantile by quantile; the map is fitted once, on samples drawn at the training conditions, and
frozen, so that conditions still move what is generated. Zeros come back because dequantised counts below 1 are zeros.
"""

from dataclasses import dataclass

import numpy as np

from taxoscape.compositions import clr_inverse
from taxoscape.learning.dequantise import dequantise

# Quantiles that a marginal is described by.
LEVELS = 201
# Halvings of the interval in which the scale of a sample lies: 2^-60 of its width.
HALVINGS = 60


@dataclass(frozen=True)
class Calibration:
    """Matching quantiles [Q, D] of the logarithm of dequantised counts, generated and in training."""

    generated: np.ndarray
    training: np.ndarray


def log_counts(logratios: np.ndarray, depth: float) -> np.ndarray:
    """Logarithms [N, D] of the dequantised counts that log-ratios [N, D] mean at `depth` reads.

    Dequantising adds half a read to each part on average, so they sum to depth + D / 2.
    """
    return np.log(clr_inverse(logratios)) + np.log(depth + logratios.shape[1] / 2)


def fit_calibration(generated: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> Calibration:
    """Quantiles of generated log counts [M, D] and of training counts [N, D]."""
    levels = np.linspace(0, 1, LEVELS)
    # Few training samples are dequantised several times, so that zeros are not a handful of random numbers.
    copies = -(-LEVELS * 5 // len(counts))
    training = np.log(dequantise(np.tile(counts, (copies, 1)), rng))
    return Calibration(np.quantile(generated, levels, axis=0), np.quantile(training, levels, axis=0))


def calibrate(generated: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Map generated log counts [N, D] onto the training marginals; values beyond the map take its ends."""
    # np.interp knows one curve at a time: the loop is over taxa, the work inside over all samples.
    columns = [
        np.interp(generated[:, taxon], calibration.generated[:, taxon], calibration.training[:, taxon])
        for taxon in range(generated.shape[1])
    ]
    return np.stack(columns, axis=1)


def with_rest(counts: np.ndarray, depth: int) -> np.ndarray:
    """Counts [N, D] with what is left of the `depth` as a last column: the reads of all taxa that are not retained."""
    return np.column_stack([counts, np.maximum(depth - counts.sum(axis=1), 0)])


def to_counts(amounts: np.ndarray, depth: int, seen: np.ndarray) -> np.ndarray:
    """Integer counts [N, D] that sum to `depth`, of amounts [N, D] > 0 in dequantised reads.

    Amounts below 1 are zeros, as are taxa not `seen` [D] in training. The others are scaled by the number a for which
    the sum of floor(a x) reaches the depth (bisection), and the reads still missing go to the largest remainders;
    where a = 1 this undoes the dequantisation exactly. (Scaled along, zeros would turn into single reads wherever
    retained taxa hold less than all reads: 7 of 100 zeros were lost in that way on real people.)
    """
    amounts = np.where(seen, amounts, 0.0)
    whole = amounts >= np.minimum(1.0, amounts.max(axis=1, keepdims=True))
    amounts = np.where(whole, amounts, 0.0)
    low, high = np.zeros(len(amounts)), (depth + amounts.shape[1]) / amounts.sum(axis=1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = np.floor(amounts * middle[:, None]).sum(axis=1) <= depth
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    scaled = amounts * low[:, None]
    counts = np.floor(scaled)
    missing = depth - counts.sum(axis=1, keepdims=True)
    # Ties at the last step of the bisection leave a read or two over.
    order = np.argsort(-np.where(whole, scaled - counts, -1.0), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return (counts + (rank < missing)).astype(np.int64)
