"""How baselines read counts: in one draw of reads, in several draws, or all reads; the training samples say which.

The learned models read another draw in every step of training, and average several in a prediction; a baseline that
reads one draw would be judged by its reads in place of its method. Which reading is best depends on the study, so it
is chosen by inner folds of the training samples, grouped as the outer ones are.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold

from taxoscape.learning.batches import rarefy

PREVALENCE = 0.05  # features in a smaller share of the training samples are left out
PSEUDOCOUNT = 0.5  # reads
DRAWS = 4  # of the reading that has several; predictions are averaged over them
LEARNED = 2  # of these that are learned from: each costs a training; two are most of the gain of four
STACKED = 20_000  # training rows of several draws together, at most: many samples need no second draw
INNER = 3  # folds of the training samples that choose the reading
FIRST_DRAW = 3 * 10**6  # stream of the draws; none of the learned models has it

# Counts [N, T] of all samples in each draw.
Counts = list[scipy.sparse.csr_matrix]
# (groups of the rows to learn from, whether for the choice alone) -> unfitted model
Maker = Callable[[np.ndarray, bool], BaseEstimator]


@dataclass(frozen=True)
class Split:
    """What N samples are to teach in a fold: a target, its groups, and which rows are learned from and tested."""

    truth: np.ndarray  # [N] numbers or categories
    groups: np.ndarray  # [N]
    train: np.ndarray  # rows
    test: np.ndarray  # rows
    categories: list[str] | None  # None: the target is a number

    def predict(self, model: BaseEstimator, values: np.ndarray) -> np.ndarray:
        """Numbers [n], or probabilities [n, C] of all categories: 0 for those that the model has not seen."""
        if not self.categories:
            return model.predict(values)
        known = pd.DataFrame(model.predict_proba(values), columns=model.classes_)
        return known.reindex(columns=self.categories, fill_value=0.0).to_numpy()

    def errors(self, rows: np.ndarray, guess: np.ndarray) -> np.ndarray:
        """Absolute error [n] of numbers, or Brier score [n] of probabilities."""
        if not self.categories:
            return np.abs(guess - self.truth[rows])
        return ((guess - (self.truth[rows][:, None] == np.array(self.categories, dtype=object))) ** 2).sum(axis=1)


@dataclass(frozen=True)
class Reading:
    """Counts of N samples in the features that are read, [N, F] in each draw; `centred`: log-ratios to the mean."""

    draws: Counts
    centred: bool

    def learn(self, make: Maker, split: Split, rows: np.ndarray, light: bool = False) -> BaseEstimator:
        """Fit a model on samples `rows`, in LEARNED draws at most."""
        number = max(1, min(LEARNED, len(self.draws), STACKED // len(rows)))
        values = np.vstack([log_counts(counts[rows], self.centred) for counts in self.draws[:number]])
        source = np.tile(rows, number)
        return make(split.groups[source], light).fit(values, split.truth[source])

    def predict(self, predict: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Mean over the draws of what `predict` says of the log counts [n, F] of samples `rows`."""
        return np.mean([predict(log_counts(counts[rows], self.centred)) for counts in self.draws], axis=0)


def read_counts(counts: scipy.sparse.csr_matrix, depth: int, seed: int) -> dict[str, Counts]:
    """Every way to read counts [N, T]: draws of `depth` reads, or all reads scaled to add up to it."""
    drawn = [rarefy(counts, depth, (seed, FIRST_DRAW + number)) for number in range(DRAWS)]
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    scaled = scipy.sparse.csr_matrix(scipy.sparse.diags(depth / totals) @ counts)
    return {"one draw": drawn[:1], "several draws": drawn, "all reads": [scaled]}


def fit_best(
    counts: Mapping[str, Counts], split: Split, make: Maker, centred: bool
) -> tuple[BaseEstimator, Reading, str]:
    """Fit a model on the training samples in the reading that suits it best: the model, the reading and its name."""
    ways = readings(counts, split.train, centred)
    name = choose(ways, make, split)
    return ways[name].learn(make, split, split.train), ways[name], name


def readings(counts: Mapping[str, Counts], train: np.ndarray, centred: bool) -> dict[str, Reading]:
    """Readings by the features that enough of the training samples `train` (rows) have in the first draw."""
    ways = {}
    for name, draws in counts.items():
        kept = np.flatnonzero(draws[0][train].getnnz(axis=0) >= PREVALENCE * len(train))
        ways[name] = Reading([drawn[:, kept] for drawn in draws], centred)
    return ways


def choose(ways: Mapping[str, Reading], make: Maker, split: Split) -> str:
    """Name of the reading whose model has the lowest mean error on inner folds of the training samples.

    The first one with a single group, or where no inner fold can be learned from.
    """
    parts = min(INNER, len(np.unique(split.groups[split.train])))
    inner = GroupKFold(parts).split(split.train, groups=split.groups[split.train]) if parts > 1 else []
    scored = {name: [] for name in ways}
    for fit, test in inner:
        rows, tested = split.train[fit], split.train[test]
        if split.categories and len(np.unique(split.truth[rows])) < 2:
            continue
        for name, reading in ways.items():
            model = reading.learn(make, split, rows, light=True)
            scored[name].append(split.errors(tested, reading.predict(partial(split.predict, model), tested)))
    if not all(scored.values()):
        return next(iter(ways))
    return min(scored, key=lambda name: np.concatenate(scored[name]).mean())


def count_choices(reads: list[dict[str, str]]) -> dict[str, dict[str, int]]:
    """Baseline -> reading -> number of folds in which it was chosen, from what each fold has chosen."""
    return {name: dict(Counter(read[name] for read in reads)) for name in reads[0]}


def log_counts(counts: scipy.sparse.csr_matrix, centred: bool) -> np.ndarray:
    """Natural logs [n, F] of counts + PSEUDOCOUNT; `centred`: minus their mean. A column of zeros without features."""
    if not counts.shape[1]:
        return np.zeros((counts.shape[0], 1))
    logs = np.log(counts.toarray() + PSEUDOCOUNT)
    return logs - logs.mean(axis=1, keepdims=True) if centred else logs
