"""Models compared on the same samples: every metric with its interval, and the judged model's difference to the others.

All models share the bootstrap draws of groups, so that a difference is between the same groups.
"""

from dataclasses import dataclass

import numpy as np

from taxoscape.scoring import metrics
from taxoscape.scoring.bootstrap import bootstrap_weights, interval
from taxoscape.scoring.distributions import INTERVALS, crps, inside
from taxoscape.scoring.results import Comparison


@dataclass(frozen=True)
class Held:
    """Samples [N] with their true values, each predicted by models that have not seen its group.

    A sample is there once for every repeat of the folds; `fold` says which models predicted it.
    """

    samples: np.ndarray  # ids
    truth: np.ndarray  # numbers or categories
    groups: np.ndarray
    fold: np.ndarray

    def take(self, rows: np.ndarray) -> "Held":
        """Samples at these rows (indices or flags)."""
        return Held(self.samples[rows], self.truth[rows], self.groups[rows], self.fold[rows])


@dataclass(frozen=True)
class Prediction:
    """What a model predicts of N samples."""

    value: np.ndarray  # [N] numbers or categories
    draws: np.ndarray | None = None  # [N, M] equally likely numbers, where a distribution is predicted
    probabilities: np.ndarray | None = None  # [N, C] of the categories

    def take(self, rows: np.ndarray) -> "Prediction":
        """Predictions at these rows (indices or flags)."""
        return Prediction(*(None if part is None else part[rows] for part in self._parts))

    @staticmethod
    def join(parts: list["Prediction"]) -> "Prediction":
        """Predictions of several folds as one."""
        sides = zip(*(part._parts for part in parts), strict=True)
        return Prediction(*(None if side[0] is None else np.concatenate(side) for side in sides))

    @property
    def _parts(self) -> tuple[np.ndarray | None, ...]:
        return self.value, self.draws, self.probabilities


def compare(
    name: str,
    held: Held,
    predictions: dict[str, Prediction],
    categories: list[str] | None,
    *,
    judged: str,
    metric: str,
    draws: int,
    seed: int,
) -> Comparison:
    """Compare the `judged` model with all others on held-out samples; `categories` None: the truth is a number.

    Where any model predicts a distribution, the CRPS of one that predicts a number is its absolute error.
    """
    weights = bootstrap_weights(held.groups, draws, np.random.default_rng(seed))
    whole = any(guess.draws is not None for guess in predictions.values())
    measured = {
        model: classified(held, guess, categories, weights) if categories else regressed(held, guess, weights, whole)
        for model, guess in predictions.items()
    }
    return summarize(name, measured, judged, metric, len(np.unique(held.samples)), len(np.unique(held.groups)))


def summarize(
    name: str, measured: dict[str, dict[str, np.ndarray]], judged: str, metric: str, n: int, groups: int
) -> Comparison:
    """Comparison of models from paired draws: model -> metric -> [1 + draws], or [repeats, 1 + draws]."""
    reference = measured[judged]
    return Comparison(
        name=name,
        judged=judged,
        metric=metric,
        n=n,
        groups=groups,
        models={model: {key: interval(drawn) for key, drawn in draws.items()} for model, draws in measured.items()},
        differences={
            model: {key: interval(reference[key] - drawn) for key, drawn in draws.items() if key in reference}
            for model, draws in measured.items()
            if model != judged
        },
    )


def regressed(held: Held, guess: Prediction, weights: np.ndarray, whole: bool) -> dict[str, np.ndarray]:
    """Metrics [B] of predicted numbers under each of the weights [B, N]; `whole`: of distributions, too."""
    figures = metrics.regression_metrics(weights @ metrics.regression_sums(held.truth, guess.value))
    count = weights.sum(axis=1)
    if guess.draws is None:
        return figures | ({"crps": figures["mae"]} if whole else {})
    terms = {"crps": crps(held.truth, guess.draws)}
    terms |= {key: inside(held.truth, guess.draws, share) for key, share in INTERVALS.items()}
    return figures | {key: weights @ term / count for key, term in terms.items()}


def classified(held: Held, guess: Prediction, categories: list[str], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics [B] of predicted categories under each of the weights [B, N]."""
    terms = metrics.classification_sums(held.truth, guess.value, categories)
    figures = metrics.classification_metrics(np.tensordot(weights, terms, axes=1))
    if guess.probabilities is None:
        return figures
    return figures | {"auc": metrics.area_under_curve(held.truth, guess.probabilities, categories, held.fold, weights)}
