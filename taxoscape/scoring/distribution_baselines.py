"""Baselines that predict distributions: training quantiles, ridge with normal residuals, a quantile forest.

The forests are the same one: its mean is the prediction, its quantiles weight the training values by how often they
share a leaf with the sample (Meinshausen 2006, JMLR 7:983).
"""

from functools import partial

import numpy as np
from quantile_forest import RandomForestQuantileRegressor
from scipy.special import ndtri
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from taxoscape.scoring.baselines import maker
from taxoscape.scoring.comparison import Prediction
from taxoscape.scoring.distributions import midlevels
from taxoscape.scoring.readings import Counts, Split, fit_best

NAMES = ("mean", "ridge", "random_forest", "quantile_forest")
# Samples of a leaf whose values are kept, at most. Trees are grown until the values of a leaf are equal, so that those
# left out have the same value; without a limit 10,000 samples with tied values fill 14 GB.
LEAF = 64


def predict_distributions(
    counts: dict[str, Counts], split: Split, draws: int, trees: int, seed: int
) -> tuple[dict[str, Prediction], dict[str, str]]:
    """Predict the test samples as `draws` equally likely values by every baseline; and how the counts were read."""

    def forest(groups: np.ndarray, light: bool) -> BaseEstimator:
        if light:
            return maker("random_forest", split, trees, seed)(groups, light)
        return RandomForestQuantileRegressor(trees, random_state=seed, n_jobs=1, max_samples_leaf=LEAF)

    known, levels = split.truth[split.train], midlevels(draws)
    line, of_line, line_read = fit_best(counts, split, maker("ridge", split, trees, seed), True)
    trunk, of_trunk, trunk_read = fit_best(counts, split, forest, False)
    middle = of_line.predict(line.predict, split.test)
    mean, quantiles = (
        of_trunk.predict(partial(trunk.predict, quantiles=wanted, weighted_leaves=True), split.test)
        for wanted in ("mean", list(levels))
    )
    predicted = {
        "mean": Prediction(
            np.full(len(split.test), known.mean()), np.tile(np.quantile(known, levels), (len(split.test), 1))
        ),
        "ridge": Prediction(middle, middle[:, None] + ridge_spread(line) * ndtri(levels)),
        "random_forest": Prediction(mean),
        "quantile_forest": Prediction(mean, quantiles),
    }
    return predicted, {"ridge": line_read, "random_forest": trunk_read, "quantile_forest": trunk_read}


def ridge_spread(fitted: Pipeline) -> float:
    """Standard deviation of a fitted ridge's residuals for training samples left out: groups, or one by one.

    They were left out to choose the penalty; to choose it anew without each part would be as many searches.
    """
    return float(np.sqrt(-fitted[-1].best_score_))
