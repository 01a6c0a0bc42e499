"""Compositions: the simplex, its centred log-ratio coordinates and what to do about zeros.

x is a composition of D parts (x_i >= 0, sum 1), counts are reads. The centred log-ratio of a composition without
zeros is clr(x) = ln x - mean(ln x), an isometry between the Aitchison simplex and the vectors that sum to 0;
its inverse is the softmax (Aitchison 1986; Egozcue et al. 2003). Reference: skbio.stats.composition.
"""

import numpy as np


def closure(x: np.ndarray) -> np.ndarray:
    """Divide rows [..., D] by their sums.

    Raises ValueError for negative or non-finite values and for rows that sum to 0.
    """
    x = np.asarray(x, dtype=np.float64)
    if not np.isfinite(x).all() or (x < 0).any():
        raise ValueError("a composition needs finite values that are not negative")
    total = x.sum(axis=-1, keepdims=True)
    if (total == 0).any():
        raise ValueError("a row that sums to 0 has no composition")
    return x / total


def clr(x: np.ndarray) -> np.ndarray:
    """Centred log-ratio of rows [..., D] > 0; the scale of a row does not matter, so counts may be given.

    Raises ValueError where a part is 0 or less: replace zeros first.
    """
    x = np.asarray(x, dtype=np.float64)
    if not (x > 0).all():
        raise ValueError("the centred log-ratio needs parts above 0: replace zeros first")
    logarithm = np.log(x)
    return logarithm - logarithm.mean(axis=-1, keepdims=True)


def clr_inverse(y: np.ndarray) -> np.ndarray:
    """Composition [..., D] of centred log-ratio coordinates: the softmax, shifted so that nothing overflows."""
    y = np.asarray(y, dtype=np.float64)
    exponential = np.exp(y - y.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


def add_pseudocount(counts: np.ndarray, pseudocount: float = 0.5) -> np.ndarray:
    """Composition without zeros of counts [..., D]: (counts + pseudocount) / sum."""
    if pseudocount <= 0:
        raise ValueError(f"pseudocount={pseudocount} leaves zeros: it must be above 0")
    return closure(np.asarray(counts, dtype=np.float64) + pseudocount)
