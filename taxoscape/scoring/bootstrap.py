"""The one bootstrap: whole groups are drawn, and an interval is the central 95 % of the draws (Efron 1979).

A draw is how often each sample occurs in it, its weight; a metric of all draws is then one matrix product.
"""

from collections.abc import Iterable

import numpy as np


def bootstrap_weights(groups: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each sample [N] occurs in `draws` bootstrap samples: [1 + draws, N], the first row is all ones.

    Whole groups are drawn with replacement (samples of one subject are not independent); with one group only, samples.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        names, member = np.arange(len(groups)), np.arange(len(groups))
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return np.vstack([np.ones((1, len(groups))), drawn[:, member]])


def interval(values: np.ndarray) -> dict[str, float]:
    """Value with its 95 % percentile interval, of a metric [1 + draws] whose first entry is that of the sample itself.

    Of several repeats [R, 1 + draws] the value is the mean, and the interval that of all draws together. The ends are
    NaN where no draw is a number.
    """
    values = np.atleast_2d(values)
    drawn = values[:, 1:][np.isfinite(values[:, 1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return {"value": float(values[:, 0].mean()), "low": float(low), "high": float(high)}


def pair_auc(scores: np.ndarray, positive: np.ndarray, fold: np.ndarray, weights: Iterable[np.ndarray]) -> np.ndarray:
    """Area under the ROC curve [B] of scores [N] within the folds [N], under each of B weights [N].

    The share of pairs (a positive and another of the same fold) in the right order, ties half (Mann and Whitney 1947),
    of all folds together: scores of two folds come from two models and are not compared. By sorting, so that not all
    pairs are looked at. Samples without a score (NaN) are in no pair; NaN where no pair has weight.
    """
    known = np.flatnonzero(~np.isnan(scores))
    order = known[np.lexsort((scores[known], fold[known]))]
    scores, positive, fold = scores[order], positive[order], fold[order]
    first, last = _edges(fold)
    below, above = _edges(fold, scores)
    areas = []
    for drawn in weights:
        drawn = drawn[order]
        others = np.concatenate([[0.0], np.cumsum(drawn * ~positive)])  # before each place
        own = drawn * positive
        pairs = own @ (others[last] - others[first])
        areas.append(own @ ((others[below] + others[above]) / 2 - others[first]) / pairs if pairs else np.nan)
    return np.array(areas)


def folds_of_one_class(truth: np.ndarray, fold: np.ndarray) -> int:
    """Number of folds [N] whose samples have all the same class [N]: no pair, and no area under the curve."""
    return sum(len(set(truth[fold == number])) < 2 for number in np.unique(fold))


def _edges(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index [N] of the first of the neighbours that agree in all sorted keys [N], and of the one after the last."""
    new = np.any([np.r_[True, key[1:] != key[:-1]] for key in keys], axis=0) if len(keys[0]) else np.zeros(0, bool)
    start, run = np.flatnonzero(new), np.cumsum(new) - 1
    return start[run], np.append(start[1:], len(new))[run]
