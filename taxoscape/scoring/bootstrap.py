"""Bootstrap by weights: how often each sample is drawn, so that a metric of all draws is one matrix product."""

from collections.abc import Iterable

import numpy as np


def bootstrap_weights(groups: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each sample [N] occurs in `draws` bootstrap samples: [1 + draws, N], the first row is all ones.

    Whole groups are drawn with replacement (samples of one subject are not independent); with one group only, samples.
    """
    names, place = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        names, place = np.arange(len(groups)), np.arange(len(groups))
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return np.vstack([np.ones((1, len(groups))), drawn[:, place]])


def weighted_auc(scores: np.ndarray, positive: np.ndarray, weights: Iterable[np.ndarray]) -> np.ndarray:
    """Area under the ROC curve [B] of scores [N] under each of B weights [N]; NaN where a side has no weight.

    It is the share of pairs (a positive and another) in the right order, ties half (Mann and Whitney 1947); by
    sorting, so that not all pairs are looked at. Samples without a score (NaN) stand in no pair.
    """
    order = np.argsort(scores)[: (~np.isnan(scores)).sum()]  # NaN come last
    ranked, positive = scores[order], positive[order]
    edges = [np.searchsorted(ranked, ranked, side=side) for side in ("left", "right")]
    areas = []
    for drawn in weights:
        drawn = drawn[order]
        others = np.concatenate([[0.0], np.cumsum(drawn * ~positive)])  # that stand before each place
        ordered = (drawn * positive * (others[edges[0]] + others[edges[1]]) / 2).sum()
        pairs = drawn[positive].sum() * drawn[~positive].sum()
        areas.append(ordered / pairs if pairs else np.nan)
    return np.array(areas)


def interval(values: np.ndarray) -> dict[str, float]:
    """Value (mean of the first column) with its 95 % interval, of draws [repeats, 1 + bootstraps].

    The interval is the spread of the bootstrap draws about their own mean, laid around the value: a bootstrap sample
    is noisier than the sample itself, so that distances come out too large in it and correlations too small.
    NaN where no draw has a number.
    """
    value, draws = float(np.mean(values[:, 0])), values[:, 1:][np.isfinite(values[:, 1:])]
    if not len(draws):
        return {"value": value, "low": float("nan"), "high": float("nan")}
    low, high = np.percentile(draws - draws.mean(), [2.5, 97.5])
    return {"value": value, "low": value + float(low), "high": value + float(high)}
