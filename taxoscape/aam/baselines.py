"""What a model must beat, on the same folds: a constant, a linear model on CLR, a random forest.

Everything fitted (feature filter, scaling, penalties) is fitted on the training samples of the fold.
"""

import warnings

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PREVALENCE = 0.05  # features in a smaller share of the training samples are left out
PSEUDOCOUNT = 0.5  # reads
PENALTIES = np.logspace(0, 5, 11)  # of ridge, on standardised features
LOGISTIC_STRENGTH = 0.01  # C of the logistic model; hundreds of correlated features need a strong penalty


def names(classification: bool) -> list[str]:
    """Names of the baselines of a task, the constant one first."""
    return ["majority", "logistic", "random_forest"] if classification else ["mean", "ridge", "random_forest"]


def predict_fold(
    counts: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
    train: np.ndarray,
    classification: bool,
    trees: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Predict the samples outside `train` [N] bool by each baseline, from counts [N, T] rarefied to one depth."""
    kept = (counts[train] > 0).mean(axis=0) >= PREVALENCE
    logs = np.log(counts[:, kept] + PSEUDOCOUNT)
    centred = logs - logs.mean(axis=1, keepdims=True) if kept.any() else np.zeros((len(counts), 1))
    logs = logs if kept.any() else centred
    models = make_models(groups[train], classification, trees, seed)
    features = dict(zip(names(classification), (centred, centred, logs), strict=True))
    if classification and len(np.unique(truth[train])) < 2:
        models = dict.fromkeys(models, DummyClassifier(strategy="most_frequent"))
    predicted = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, model in models.items():
            predicted[name] = model.fit(features[name][train], truth[train]).predict(features[name][~train])
    return predicted


def make_models(groups: np.ndarray, classification: bool, trees: int, seed: int) -> dict:
    """Unfitted models; ridge picks its penalty by folds grouped by `groups` [n] of the training samples."""
    forest = {"n_estimators": trees, "random_state": seed, "n_jobs": 1}
    if classification:
        return {
            "majority": DummyClassifier(strategy="most_frequent"),
            "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=LOGISTIC_STRENGTH, max_iter=2000)),
            "random_forest": RandomForestClassifier(**forest),
        }
    parts = min(5, len(np.unique(groups)))
    inner = list(GroupKFold(parts).split(groups, groups=groups)) if parts > 1 else None
    ridge = RidgeCV(PENALTIES, cv=inner, scoring="neg_mean_squared_error")
    return {
        "mean": DummyRegressor(),
        "ridge": make_pipeline(StandardScaler(), ridge),
        "random_forest": RandomForestRegressor(**forest),
    }
