"""What a model must beat, on the same folds: a constant, linear models, trees, kernels, and AAM's own frozen parts.

Everything fitted (feature filter, reading of the counts, scaling, axes, penalties) is fitted on the training samples of
the fold.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from quantile_forest import RandomForestQuantileRegressor
from scipy.special import ndtri
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KernelCenterer, Normalizer, StandardScaler

from taxoscape.scoring.comparison import Prediction
from taxoscape.scoring.distributions import midlevels
from taxoscape.scoring.readings import Counts, Maker, Split, fit_best

PENALTIES = np.logspace(0, 5, 11)  # of ridge, on standardised features
KERNEL_PENALTIES = np.logspace(-3, 2, 11)  # of ridge on a kernel whose diagonal is 1, and on vectors of length 1
LOGISTIC_STRENGTH = 0.01  # C of the logistic model; hundreds of correlated features need a strong penalty
KERNEL_STRENGTH = 1.0  # C of the logistic model on these
AXES = 20  # principal coordinates that the forest reads
LANDMARKS = 1000  # training samples that span kernels, at most: their axes cost the third power of their number
RELATIVE_ZERO = 1e-10  # eigenvalues below this share of the largest are rounding
DISTRIBUTIONS = ("mean", "ridge", "random_forest", "quantile_forest")  # the forest's number has no distribution
# Samples of a leaf whose values are kept, at most. Trees are grown until the values of a leaf are equal, so that those
# left out have the same value; without a limit 10,000 samples with tied values fill 14 GB.
LEAF = 64
LIGHTER = 4, 10  # times fewer rounds, and trees, where a model only chooses how counts are read

# Model -> what it reads of a sample. Those whose input a study has not are left out.
READS = {
    "mean": "nothing",
    "majority": "nothing",
    "ridge": "centred",
    "logistic": "centred",
    "random_forest": "logs",
    "extra_trees": "logs",
    "gradient_boosting": "logs",
    "forest_on_pcoa": "squares",
    "kernel_ridge": "kernel",
    "kernel_logistic": "kernel",
    "ridge_on_random_aam": "random",
    "logistic_on_random_aam": "random",
    "ridge_on_pretrained_aam": "pretrained",
    "logistic_on_pretrained_aam": "pretrained",
    "metadata_only": "fields",
}


@dataclass(frozen=True)
class Evidence:
    """What the baselines read of N samples; what a study has not is None, or missing."""

    counts: Mapping[str, Counts]  # ways to read the counts [N, T], as read_counts gives them
    distances: np.ndarray | None = None  # [N, N] UniFrac
    fields: np.ndarray | None = None  # [N, M] other host variables; NaN where missing
    frozen: Mapping[int, Mapping[str, np.ndarray]] = field(default_factory=dict)  # fold -> random, pretrained [N, D]

    def of(self, rows: np.ndarray) -> "Evidence":
        """What there is of samples `rows` only."""
        return Evidence(
            {name: [drawn[rows] for drawn in draws] for name, draws in self.counts.items()},
            None if self.distances is None else self.distances[np.ix_(rows, rows)],
            None if self.fields is None else self.fields[rows],
            {fold: {name: z[rows] for name, z in parts.items()} for fold, parts in self.frozen.items()},
        )


class PrincipalAxes(TransformerMixin, BaseEstimator):
    """Principal coordinates of samples from their kernel [n, k] to the first k of them, at most `axes` (None: all).

    A row of kernel values to these landmarks is centred as theirs were and projected, which for -d^2/2 is principal
    coordinates analysis with Gower's out-of-sample formula (Gower 1968), and where k < n landmark scaling (de Silva and
    Tenenbaum 2004). Only axes of positive eigenvalue are kept: distances need not be Euclidean, and scikit-learn's
    KernelPCA refuses those that are far from it.
    """

    def __init__(self, axes: int | None = None):
        self.axes = axes

    def fit(self, kernel: np.ndarray, y: np.ndarray | None = None) -> "PrincipalAxes":
        """Find the axes of the landmarks, by the first k rows of the training samples' kernel [n, k]."""
        kernel = kernel[: kernel.shape[1]]
        self.centre_ = KernelCenterer().fit(kernel)
        values, vectors = np.linalg.eigh(self.centre_.transform(kernel))
        order = np.argsort(-values)[: self.axes]
        order = order[values[order] > RELATIVE_ZERO * np.abs(values).max()]
        self.project_ = vectors[:, order] / np.sqrt(values[order])
        return self

    def transform(self, kernel: np.ndarray) -> np.ndarray:
        """Coordinates [m, axes] of samples by their kernel values [m, k] to the landmarks."""
        coordinates = self.centre_.transform(kernel) @ self.project_
        return coordinates if coordinates.shape[1] else np.zeros((len(kernel), 1))


def landmarks_first(train: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training samples `train` (rows), those first that span kernels; and the latter alone."""
    chosen = np.zeros(len(train), dtype=bool)
    chosen[np.random.default_rng(seed).permutation(len(train))[:LANDMARKS]] = True
    return np.concatenate([train[chosen], train[~chosen]]), train[chosen]


def features(evidence: Evidence, samples: int, fold: int, landmarks: np.ndarray) -> dict[str, np.ndarray]:
    """What there is to read of each of N samples besides counts; kernels are those to the samples `landmarks`."""
    readable = {"nothing": np.zeros((samples, 1)), **evidence.frozen.get(fold, {})}
    if evidence.distances is not None:
        distances = evidence.distances[:, landmarks]
        readable |= {"squares": -0.5 * distances**2, "kernel": 1.0 - distances}
    if evidence.fields is not None and evidence.fields.shape[1]:
        readable["fields"] = evidence.fields
    return readable


def predict_fold(
    evidence: Evidence, split: Split, fold: int, trees: int, seed: int
) -> tuple[dict[str, Prediction], dict[str, str]]:
    """Predict the test samples of a fold by each baseline; and how those that read counts have read them."""
    order, landmarks = landmarks_first(split.train, seed)
    readable = features(evidence, len(split.truth), fold, landmarks)
    predicted, read = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name in make_models(split.groups[order], bool(split.categories), trees, seed):
            make = maker(name, split, trees, seed)
            if READS[name] in ("centred", "logs"):
                model, reading, read[name] = fit_best(evidence.counts, split, make, READS[name] == "centred")
                guess = reading.predict(partial(split.predict, model), split.test)
            elif READS[name] in readable:
                values = readable[READS[name]]
                model = make(split.groups[order], False).fit(values[order], split.truth[order])
                guess = split.predict(model, values[split.test])
            else:
                continue
            predicted[name] = as_prediction(guess, split.categories)
    return predicted, read


def maker(name: str, split: Split, trees: int, seed: int) -> Maker:
    """Maker of a baseline; of the training prior where the training samples have one class only."""
    one_class = bool(split.categories) and len(np.unique(split.truth[split.train])) < 2

    def make(groups: np.ndarray, light: bool) -> BaseEstimator:
        if one_class:
            return DummyClassifier(strategy="prior")
        return make_models(groups, bool(split.categories), trees, seed, light)[name]

    return make


def as_prediction(guess: np.ndarray, categories: list[str] | None) -> Prediction:
    """Numbers [n], or the most probable of the categories by probabilities [n, C]."""
    if not categories:
        return Prediction(guess)
    return Prediction(np.array(categories, dtype=object)[guess.argmax(axis=1)], probabilities=guess)


def make_models(
    groups: np.ndarray, classification: bool, trees: int, seed: int, light: bool = False
) -> dict[str, BaseEstimator]:
    """Unfitted models, the constant one first; ridge picks its penalty by folds grouped by `groups` [n].

    `light`: smaller ones, which choose how counts are read.
    """
    fewer, fewer_trees = LIGHTER if light else (1, 1)
    forest = {"n_estimators": max(1, trees // fewer_trees), "random_state": seed, "n_jobs": 1}
    boosting = {"random_state": seed, "early_stopping": False, "max_leaf_nodes": 8}
    boosting |= {"learning_rate": 0.05 * fewer, "max_iter": 100 // fewer}
    axes, spanned = PrincipalAxes(AXES), PrincipalAxes()
    if classification:

        def logistic(strength: float) -> LogisticRegression:
            return LogisticRegression(C=strength, max_iter=2000 // fewer)

        return {
            "majority": DummyClassifier(strategy="prior"),
            "logistic": make_pipeline(StandardScaler(), logistic(LOGISTIC_STRENGTH)),
            "random_forest": RandomForestClassifier(**forest),
            "extra_trees": ExtraTreesClassifier(**forest),
            "gradient_boosting": HistGradientBoostingClassifier(**boosting),
            "forest_on_pcoa": make_pipeline(axes, RandomForestClassifier(**forest)),
            "kernel_logistic": make_pipeline(spanned, logistic(KERNEL_STRENGTH)),
            "logistic_on_random_aam": make_pipeline(Normalizer(), logistic(KERNEL_STRENGTH)),
            "logistic_on_pretrained_aam": make_pipeline(Normalizer(), logistic(KERNEL_STRENGTH)),
            "metadata_only": RandomForestClassifier(**forest),
        }

    def ridge(penalties: np.ndarray) -> RidgeCV:
        parts, penalties = min(2 if light else 5, len(np.unique(groups))), penalties[:: 3 if light else 1]
        inner = list(GroupKFold(parts).split(groups, groups=groups)) if parts > 1 else None
        return RidgeCV(penalties, cv=inner, scoring="neg_mean_squared_error")

    return {
        "mean": DummyRegressor(),
        "ridge": make_pipeline(StandardScaler(), ridge(PENALTIES)),
        "random_forest": RandomForestRegressor(**forest),
        "extra_trees": ExtraTreesRegressor(**forest),
        "gradient_boosting": HistGradientBoostingRegressor(**boosting),
        "forest_on_pcoa": make_pipeline(axes, RandomForestRegressor(**forest)),
        "kernel_ridge": make_pipeline(spanned, ridge(KERNEL_PENALTIES)),
        # Not standardised: a clade that hardly any training sample has would weigh as much as the others.
        "ridge_on_random_aam": make_pipeline(Normalizer(), ridge(KERNEL_PENALTIES)),
        "ridge_on_pretrained_aam": make_pipeline(Normalizer(), ridge(KERNEL_PENALTIES)),
        "metadata_only": RandomForestRegressor(**forest),
    }


def predict_distributions(
    counts: dict[str, Counts], split: Split, draws: int, trees: int, seed: int
) -> tuple[dict[str, Prediction], dict[str, str]]:
    """Predict the test samples as `draws` equally likely values by every baseline; and how the counts were read.

    The forests are the same one: its mean is the prediction, its quantiles weight the training values by how often they
    share a leaf with the sample (Meinshausen 2006, JMLR 7:983).
    """

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
