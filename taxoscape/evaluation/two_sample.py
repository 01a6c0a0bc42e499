"""Classifier two-sample test: can a random forest distinguish generated from real samples? AUC 0.5 = it cannot.

Lopez-Paz and Oquab 2017, arXiv:1610.06545. The figure grows with the number of samples, so both sides always have
the same, and it is out of fold: samples of one group (a subject and what was generated for it, copies of one training
subject) share a fold, and only samples of one fold are compared.
"""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold

FOLDS = 5
# Fewer samples or groups a side and a fold would hold next to nothing.
FEWEST = 5


def forest_scores(
    real: np.ndarray,
    generated: np.ndarray,
    real_groups: np.ndarray,
    generated_groups: np.ndarray,
    *,
    trees: int,
    seed: int,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Out-of-fold probabilities [2N] of being generated, of features [N, K] each (real first), and folds [2N].

    Probabilities are NaN in folds that leave one side alone, in the test or in the training. None when there are fewer
    than FEWEST samples or 2 groups a side.
    """
    if len(real) != len(generated):
        raise ValueError(f"the AUC depends on the numbers: {len(real)} real and {len(generated)} generated samples")
    groups = np.concatenate([real_groups, generated_groups]).astype(str)
    number = min(FOLDS, len(np.unique(real_groups)), len(np.unique(generated_groups)))
    if len(real) < FEWEST or number < 2:
        return None
    features, truth = np.concatenate([real, generated]), np.repeat([0, 1], len(real))
    scores, folds = np.full(len(truth), np.nan), np.zeros(len(truth), int)
    splits = StratifiedGroupKFold(number, shuffle=True, random_state=seed).split(truth, truth, groups)
    for fold, (train, test) in enumerate(splits):
        folds[test] = fold
        if all(len(np.unique(truth[rows])) == 2 for rows in (train, test)):
            forest = RandomForestClassifier(trees, random_state=seed + fold, n_jobs=threads)
            scores[test] = forest.fit(features[train], truth[train]).predict_proba(features[test])[:, 1]
    return scores, folds


def left_out(scores: np.ndarray, folds: np.ndarray) -> int:
    """Number of folds [2N] without probabilities [2N]."""
    return len(np.unique(folds[np.isnan(scores)]))
