"""Baselines as distributions, on the same folds: training quantiles, ridge with normal residuals, a quantile forest.

A forecast is M equally likely values for each sample. The forests are the same one: the point forecast is the mean of
its trees, the distribution weighs the training values by how often they share a leaf with the sample (quantile
regression forest, Meinshausen 2006, JMLR 7:983).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.special import ndtri
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from taxoscape.scoring.baselines import Evidence, features, make_models
from taxoscape.scoring.distributions import midlevels

NAMES = ("mean", "ridge", "random_forest", "quantile_forest")


@dataclass(frozen=True)
class Forecast:
    """Predictions [n] and equally likely values [n, M]; no values where only a number is forecast."""

    prediction: np.ndarray
    draws: np.ndarray | None


def forecast(
    counts: np.ndarray, truth: np.ndarray, groups: np.ndarray, train: np.ndarray, draws: int, trees: int, seed: int
) -> dict[str, Forecast]:
    """Forecast the samples outside `train` [N] bool by every baseline, from counts [N, T] rarefied to one depth."""
    readable = features(Evidence(counts), train, 0)
    logs, centred = readable["logs"], readable["centred"]
    known, held = truth[train], int((~train).sum())
    models, levels = make_models(groups[train], False, trees, seed), midlevels(draws)
    forest, ridge = models["random_forest"].fit(logs[train], known), models["ridge"].fit(centred[train], known)
    point = forest.predict(logs[~train])
    weights = leaf_weights(forest, logs[train], logs[~train])
    line = ridge.predict(centred[~train])
    return {
        "mean": Forecast(np.full(held, known.mean()), np.tile(np.quantile(known, levels), (held, 1))),
        "ridge": Forecast(line, line[:, None] + ridge_spread(ridge) * ndtri(levels)),
        "random_forest": Forecast(point, None),
        "quantile_forest": Forecast(point, weighted_quantiles(known, weights, levels)),
    }


def leaf_weights(forest: RandomForestRegressor, train: np.ndarray, test: np.ndarray) -> sparse.csr_array:
    """Weights [m, n] of training samples [n, T] for samples [m, T]; rows sum to 1.

    w_i(x) = mean over trees of 1{x_i in the leaf of x} / size of the leaf, of all training samples (Meinshausen 2006,
    eq. 5). Most are 0: a sample shares leaves with few others.
    """
    leaves = OneHotEncoder()
    theirs = sparse.csr_array(leaves.fit_transform(forest.apply(train)))  # [n, leaves]
    ours = sparse.csr_array(leaves.transform(forest.apply(test)))  # [m, leaves]
    share = sparse.diags_array(1 / (theirs.sum(axis=0) * len(forest.estimators_)))
    return (ours @ share @ theirs.T).tocsr()


def weighted_quantiles(values: np.ndarray, weights: sparse.csr_array, levels: np.ndarray) -> np.ndarray:
    """Quantiles [m, Q]: the smallest of the values [n] at which the weights [m, n] up to it sum to a level or more."""
    order = np.argsort(values, kind="stable")
    ranked, weights = values[order], weights[:, order].sorted_indices()
    found = np.empty((weights.shape[0], len(levels)))
    for row, (start, stop) in enumerate(pairwise(weights.indptr)):
        places = np.searchsorted(weights.data[start:stop].cumsum(), levels)
        # The sum of all weights may be 1 - 1e-16: the last value is always reached.
        found[row] = ranked[weights.indices[start:stop]][np.minimum(places, stop - start - 1)]
    return found


def ridge_spread(fitted: Pipeline) -> float:
    """Standard deviation of a fitted ridge's residuals for training samples left out: groups, or one by one.

    They were left out to choose the penalty; to choose it anew without each part would be as many searches.
    """
    return float(np.sqrt(-fitted[-1].best_score_))
