"""How good predictions are, with intervals by group bootstrap, and what may be said about it in one sentence.

Samples of a group (a person's time points) are no independent witnesses: the bootstrap draws whole groups. Every
metric here is a function of sums over samples, so a draw is a weighted sum of per-group sums.
"""

from collections.abc import Callable

import numpy as np

from taxoscape.scoring.bootstrap import pair_auc

FEW_GROUPS = 10  # below it an interval from resampled groups says little
FEW_SAMPLES = 30


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
    error = guess - truth
    return {
        "mae": float(np.abs(error).mean()),
        "mse": float((error**2).mean()),
        "r2": determination(truth, guess),
    }


def determination(truth: np.ndarray, guess: np.ndarray) -> float:
    """R2 of a guess; NaN where the truth does not vary."""
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - guess) ** 2).sum() / spread) if spread > 0 else float("nan")


def agreement_of(truth: np.ndarray, guess: np.ndarray, classes: int) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 averaged over the classes 0..C-1 that occur; places [n]."""
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (truth, guess), 1)
    right, true, guessed = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    seen = true + guessed > 0
    precision, recall = (right[seen] / np.maximum(1, total[seen]) for total in (guessed, true))
    return {
        "accuracy": float(right.sum() / len(truth)),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float((2 * right[seen] / (true + guessed)[seen]).mean()),
    }


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


def draw_groups(groups: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap weights [draws, G] (how often each group was drawn) and the group of each sample [n]."""
    names, member = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    return np.stack([np.bincount(row, minlength=len(names)) for row in drawn]).astype(float), member


def bootstrap(
    terms: np.ndarray, metrics: Callable[[np.ndarray], dict], weights: np.ndarray, member: np.ndarray
) -> dict[str, tuple[float, np.ndarray]]:
    """Each metric's value and its bootstrap draws, from per-sample terms [n, ...]."""
    grouped = np.zeros((weights.shape[1], *terms.shape[1:]))
    np.add.at(grouped, member, terms)
    drawn = np.tensordot(weights, grouped, axes=1)
    values, draws = metrics(terms.sum(axis=0)), metrics(drawn)
    return {name: (float(values[name]), draws[name]) for name in values}


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


def interval(draws: np.ndarray, coverage: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap draws; NaN where there are none."""
    known = draws[np.isfinite(draws)]
    if not len(known):
        return np.nan, np.nan
    return tuple(float(edge) for edge in np.quantile(known, [(1 - coverage) / 2, (1 + coverage) / 2]))


def compare(
    truth: np.ndarray,
    predictions: dict[str, np.ndarray],
    groups: np.ndarray,
    categories: list[str] | None,
    draws: int,
    seed: int,
    scores: dict[str, np.ndarray] | None = None,
    ours: str = "aam",
) -> tuple[dict, dict]:
    """Metrics of every model, and the paired differences `ours` - other of the main metric, with 95 % intervals.

    All models share the draws, so that a difference is between the same groups. `scores` are the models' class
    probabilities [n, C], which give the area under the curve.
    """
    weights, member = draw_groups(groups, draws, seed)
    scored = {}
    for name, predicted in predictions.items():
        terms = classification_sums(truth, predicted, categories) if categories else regression_sums(truth, predicted)
        scored[name] = bootstrap(terms, classification_metrics if categories else regression_metrics, weights, member)
        if scores:
            scored[name]["auc"] = _pooled(truth, scores[name], categories, weights, member)
    models = {
        name: {metric: _with_interval(value, drawn) for metric, (value, drawn) in score.items()}
        for name, score in scored.items()
    }
    main = "accuracy" if categories else "mae"
    paired = {}
    for name, score in scored.items():
        if name != ours:
            (own, own_draws), (other, other_draws) = scored[ours][main], score[main]
            low, high = interval(own_draws - other_draws)
            paired[name] = {"metric": main, "difference": own - other, "low": low, "high": high}
    return models, paired


def verdict(paired: dict, samples: int, groups: int) -> str:
    """Say in a sentence what the paired intervals allow to say, and name the best baseline where it is not the forest.

    The best of several is chosen by the same samples, which flatters it.
    """
    constant = "majority" if "majority" in paired else "mean"
    against, forest = outcome(paired[constant]), outcome(paired["random_forest"])
    if against == "better than":
        said = f"better than the {constant} predictor and {forest} the random forest"
    elif against == "worse than":
        said = f"worse than the {constant} predictor"
    else:
        said = f"no signal beyond the {constant} predictor"
        said += ", where the random forest finds more" if forest == "worse than" else ""
    if samples < FEW_SAMPLES or groups < FEW_GROUPS:
        return (
            f"{samples} samples of {groups} groups are too few to learn from or to judge by: the figures stand beside "
            f"the {constant} predictor with their intervals, and say nothing about other samples."
        )
    best = min(paired, key=lambda name: _sign(paired[name]) * paired[name]["difference"])
    if best not in (constant, "random_forest"):
        said += f"; {outcome(paired[best])} the best baseline, {best.replace('_', ' ')}"
    return f"AAM on {samples} samples of {groups} groups: {said}."


def outcome(difference: dict) -> str:
    """Whether aam is better than, worse than or not distinguishable from a baseline, by its paired interval."""
    low, high = sorted((_sign(difference) * difference["low"], _sign(difference) * difference["high"]))
    if low > 0:
        return "better than"
    return "worse than" if high < 0 else "not distinguishable from"


def _sign(difference: dict) -> int:
    return -1 if difference["metric"] == "mae" else 1


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray, asked: float) -> dict[str, float]:
    """Share of truths inside their interval beside the share asked for, and the mean width."""
    known = np.isfinite(low)
    if not known.any():
        return {"asked": asked, "found": np.nan, "width": np.nan}
    inside = (truth >= low) & (truth <= high)
    return {"asked": asked, "found": float(inside[known].mean()), "width": float((high - low)[known].mean())}


def _pooled(truth, scores, categories, weights, member):
    everyone = np.vstack([np.ones(weights.shape[1]), weights])[:, member]
    area = area_under_curve(truth, scores, categories, np.zeros(len(truth)), everyone)
    return float(area[0]), area[1:]


def _with_interval(value: float, draws: np.ndarray) -> dict[str, float]:
    low, high = interval(draws)
    return {"value": value, "low": low, "high": high}
