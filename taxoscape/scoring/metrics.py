"""How good predictions are. Metrics of bootstrap draws are functions of weighted sums over samples."""

import numpy as np
from sklearn.metrics import mean_absolute_error, mean_squared_error, precision_recall_fscore_support

from taxoscape.scoring.bootstrap import pair_auc


def regression_sums(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Per-sample terms [n, 5]: 1, y, y^2, |error|, error^2."""
    error = predicted - truth
    return np.stack([np.ones_like(error), truth, truth**2, np.abs(error), error**2], axis=-1)


def regression_metrics(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Mean absolute error and R2 from summed terms [..., 5]; R2 is NaN where the truth does not vary."""
    count, first, second, absolute, squared = np.moveaxis(sums, -1, 0)
    spread = second - first**2 / count
    varies = spread > 1e-12 * np.maximum(second, 1e-300)
    return {"mae": absolute / count, "r2": np.where(varies, 1 - squared / np.where(varies, spread, 1), np.nan)}


def fit_of(truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """Mean absolute and squared error and R2 of numbers [n]."""
    mae, mse = mean_absolute_error(truth, guess), mean_squared_error(truth, guess)
    return {"mae": float(mae), "mse": float(mse), "r2": determination(truth, guess)}


def determination(truth: np.ndarray, guess: np.ndarray) -> float:
    """R2 of a guess; NaN where the truth does not vary."""
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - guess) ** 2).sum() / spread) if spread > 0 else float("nan")


def agreement_of(truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 averaged over the classes [n] that occur."""
    precision, recall, f1, _ = precision_recall_fscore_support(truth, guess, average="macro", zero_division=0)
    accuracy = float((truth == guess).mean())
    return {"accuracy": accuracy, "precision": float(precision), "recall": float(recall), "f1": float(f1)}


def classification_sums(truth: np.ndarray, predicted: np.ndarray, categories: list[str]) -> np.ndarray:
    """Per-sample confusion [n, C, C], truth in rows."""
    names = np.array(categories, dtype=object)
    return ((truth[:, None] == names)[:, :, None] & (predicted[:, None] == names)[:, None, :]).astype(float)


def classification_metrics(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, balanced accuracy (mean recall of the classes there are) and macro F1 from confusion [..., C, C]."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, guessed = confusion.sum(axis=-1), confusion.sum(axis=-2)
    there = true > 0
    recall = np.where(there, right / np.where(there, true, 1), np.nan)
    seen = true + guessed > 0
    f1 = np.where(seen, 2 * right / np.where(seen, true + guessed, 1), np.nan)
    return {
        "accuracy": right.sum(axis=-1) / true.sum(axis=-1),
        "balanced_accuracy": np.nanmean(recall, axis=-1),
        "macro_f1": np.nanmean(f1, axis=-1),
    }


def area_under_curve(
    truth: np.ndarray, probabilities: np.ndarray, categories: list[str], fold: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Area under the ROC curve [B] of probabilities [N, C], one class and the others, mean over the classes there are.

    Pairs within a fold [N], under each of the weights [B, N]; NaN where no fold has two classes.
    """
    found = np.array(
        [pair_auc(probabilities[:, place], truth == name, fold, weights) for place, name in enumerate(categories)]
    )
    known = np.isfinite(found)
    return np.where(known, found, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
