"""What a model must beat, on the same folds: a constant, linear models, trees, kernels, and AAM's own frozen parts.

Everything fitted (feature filter, scaling, axes, penalties) is fitted on the training samples of the fold.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KernelCenterer, Normalizer, StandardScaler

PREVALENCE = 0.05  # features in a smaller share of the training samples are left out
PSEUDOCOUNT = 0.5  # reads
PENALTIES = np.logspace(0, 5, 11)  # of ridge, on standardised features
KERNEL_PENALTIES = np.logspace(-3, 2, 11)  # of ridge on a kernel whose diagonal is 1, and on vectors of length 1
LOGISTIC_STRENGTH = 0.01  # C of the logistic model; hundreds of correlated features need a strong penalty
KERNEL_STRENGTH = 1.0  # C of the logistic model on these
AXES = 20  # principal coordinates that the forest reads
LANDMARKS = 1000  # training samples that span kernels, at most: their axes cost the third power of their number
RELATIVE_ZERO = 1e-10  # eigenvalues below this share of the largest are rounding

# Model -> what it reads of a sample. Those whose input a study has not are left out.
READS = {
    "mean": "centred",
    "majority": "centred",
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

    counts: np.ndarray  # [N, T] reads, rarefied to one depth
    distances: np.ndarray | None = None  # [N, N] UniFrac
    fields: np.ndarray | None = None  # [N, M] other host variables; NaN where missing
    frozen: Mapping[int, Mapping[str, np.ndarray]] = field(default_factory=dict)  # fold -> random, pretrained [N, D]

    def of(self, rows: np.ndarray) -> "Evidence":
        """What there is of samples `rows` only."""
        return Evidence(
            self.counts[rows],
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
        found = self.centre_.transform(kernel) @ self.project_
        return found if found.shape[1] else np.zeros((len(kernel), 1))


def landmarks_first(train: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training samples of `train` [N] bool, as rows, those first that span kernels; and the latter alone."""
    rows = np.flatnonzero(train)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[np.random.default_rng(seed).permutation(len(rows))[:LANDMARKS]] = True
    return np.concatenate([rows[chosen], rows[~chosen]]), rows[chosen]


def features(
    evidence: Evidence, train: np.ndarray, fold: int, landmarks: np.ndarray | slice = slice(None)
) -> dict[str, np.ndarray]:
    """What there is to read of each sample in a fold whose training samples are `train` [N] bool.

    Kernels are those to the samples `landmarks` (all).
    """
    kept = (evidence.counts[train] > 0).mean(axis=0) >= PREVALENCE
    logs = np.log(evidence.counts[:, kept] + PSEUDOCOUNT) if kept.any() else np.zeros((len(evidence.counts), 1))
    found = {"centred": logs - logs.mean(axis=1, keepdims=True), "logs": logs, **evidence.frozen.get(fold, {})}
    if evidence.distances is not None:
        apart = evidence.distances[:, landmarks]
        found |= {"squares": -0.5 * apart**2, "kernel": 1.0 - apart}
    if evidence.fields is not None and evidence.fields.shape[1]:
        found["fields"] = evidence.fields
    return found


def predict_fold(
    evidence: Evidence,
    truth: np.ndarray,
    groups: np.ndarray,
    train: np.ndarray,
    fold: int,
    categories: list[str] | None,
    trees: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Predict the samples outside `train` [N] bool by each baseline: numbers [n], or class probabilities [n, C]."""
    order, landmarks = landmarks_first(train, seed)
    readable = features(evidence, train, fold, landmarks)
    models = make_models(groups[order], categories is not None, trees, seed)
    if categories and len(np.unique(truth[train])) < 2:
        models = dict.fromkeys(models, DummyClassifier(strategy="prior"))
    predicted = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, model in models.items():
            if READS[name] not in readable:
                continue
            values = readable[READS[name]]
            model.fit(values[order], truth[order])
            rest = values[~train]
            predicted[name] = probabilities(model, rest, categories) if categories else model.predict(rest)
    return predicted


def probabilities(model: BaseEstimator, values: np.ndarray, categories: list[str]) -> np.ndarray:
    """Class probabilities [n, C] in the order of all categories; 0 for those that the model has not seen."""
    said = pd.DataFrame(model.predict_proba(values), columns=model.classes_)
    return said.reindex(columns=categories, fill_value=0.0).to_numpy()


def make_models(groups: np.ndarray, classification: bool, trees: int, seed: int) -> dict[str, BaseEstimator]:
    """Unfitted models, the constant one first; ridge picks its penalty by folds grouped by `groups` [n]."""
    forest = {"n_estimators": trees, "random_state": seed, "n_jobs": 1}
    boosting = {"random_state": seed, "early_stopping": False, "learning_rate": 0.05, "max_leaf_nodes": 8}
    axes, spanned = PrincipalAxes(AXES), PrincipalAxes()
    if classification:

        def logistic(strength: float) -> LogisticRegression:
            return LogisticRegression(C=strength, max_iter=2000)

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
        parts = min(5, len(np.unique(groups)))
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
