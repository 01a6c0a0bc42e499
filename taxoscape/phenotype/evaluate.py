"""Diffusion next to the baselines: draws for every held-out sample, and how good they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape.errors import InputError
from taxoscape.learning.task import Task
from taxoscape.phenotype.ensemble import predict, read_model
from taxoscape.phenotype.options import Options
from taxoscape.phenotype.study import Study
from taxoscape.scoring.baselines import DISTRIBUTIONS as NAMES
from taxoscape.scoring.baselines import predict_distributions
from taxoscape.scoring.comparison import Held, Prediction, compare
from taxoscape.scoring.distributions import INTERVALS, central_interval
from taxoscape.scoring.readings import Counts, Split, count_choices, read_counts
from taxoscape.scoring.results import Comparison, Results, Verdict
from taxoscape.scoring.verdicts import judge_predictor

MODEL = "diffusion"


@dataclass(frozen=True)
class Judged:
    """Held-out samples, what every model predicts of them (as tables, too), and the content of metrics.json."""

    held: Held
    predictions: dict[str, Prediction]
    results: Results

    @property
    def table(self) -> pd.DataFrame:
        """Sample, fold, truth, prediction, sd, and the ends of the 50 % and 90 % intervals."""
        guess = self.predictions[MODEL]
        columns = self._samples | {"prediction": guess.value, "sd": guess.draws.std(axis=1)}
        for name, share in INTERVALS.items():
            low, high = central_interval(guess.draws, share)
            columns |= {name.replace("coverage_", "low"): low, name.replace("coverage_", "high"): high}
        return pd.DataFrame(columns)

    @property
    def baselines(self) -> pd.DataFrame:
        """Sample, fold, truth, and what each baseline predicts."""
        return pd.DataFrame(self._samples | {name: self.predictions[name].value for name in NAMES})

    @property
    def _samples(self) -> dict[str, np.ndarray]:
        return {"sample": self.held.samples, "fold": self.held.fold, "truth": self.held.truth}


def judge(
    data: Study, target: str, dealt: np.ndarray, models: Sequence[str | Path], options: Options, seed: int
) -> Judged:
    """Draw for the test samples of each fold from its model, and compare the draws with the baselines'.

    `dealt` [N, R] are the folds of the samples in every repeat, `models` the files of the folds 0, 1, ...
    """
    place = [task.name for task in data.tasks].index(target)
    task, counts = data.tasks[place], read_counts(data.counts, data.depth, seed)
    tested, spreads, guesses, reads = [], [], [], []
    for dealt_task, fold in folds_of(task, dealt):
        rows = dealt_task.rows(fold)[1]
        guess, spread = predict_test(models[fold], data, rows, place, options, seed)
        others, read = baselines(dealt_task, fold, counts, options, seed)
        reads.append(read)
        tested.append(pd.DataFrame({"row": rows, "fold": fold}))
        spreads.append(spread)
        guesses.append({MODEL: guess} | others)
    order = pd.concat(tested, ignore_index=True)
    rows, fold = order["row"].to_numpy(), order["fold"].to_numpy()
    held = Held(data.samples[rows], task.values[rows].astype(float), task.groups[rows], fold)
    predictions = {name: Prediction.join([guess[name] for guess in guesses]) for name in (MODEL, *NAMES)}
    main = compare(
        "all samples",
        held,
        predictions,
        categories=None,
        judged=MODEL,
        metric="crps",
        draws=options.bootstraps,
        seed=seed,
    )
    details = {
        "folds": len(np.unique(fold)) // dealt.shape[1],
        "repeats": dealt.shape[1],
        "readings": count_choices(reads),
        "learned_with": [other.name for other in data.tasks if other is not task],
        "fields": list(data.fields),
        "spread": spreads,
    }
    results = Results("phenotype", target, "regression", task.unit, [main], verdict(main), details)
    return Judged(held, predictions, results)


def folds_of(task: Task, dealt: np.ndarray) -> list[tuple[Task, int]]:
    """Every fold of every repeat that has a sample to test: the task with the folds of that repeat, and its number."""
    found = []
    for column in dealt.T:
        own = replace(task, fold=np.where(task.fold >= 0, column, -1))
        found += [(own, int(fold)) for fold in np.unique(own.fold[own.fold >= 0])]
    return found


def predict_test(
    path: str | Path, data: Study, rows: np.ndarray, place: int, options: Options, seed: int
) -> tuple[Prediction, dict[str, float]]:
    """Prediction of samples `rows` by the model of a fold, and how its spread was calibrated (error in the unit).

    Raises InputError where the model has learned from any of them.
    """
    trained = read_model(path)
    seen = set(trained.learned) & set(data.samples[rows])
    if seen:
        raise InputError(f"{path} has learned from {len(seen)} samples that it is to be judged by: train it again")
    drawn = predict(trained, data, rows, options, seed)[..., place]
    error = trained.error[place] * trained.targets[place].std
    return Prediction(drawn.mean(axis=1), drawn), {"stretch": trained.stretch[place], "error": error}


def baselines(
    task: Task, fold: int, counts: dict[str, Counts], options: Options, seed: int
) -> tuple[dict[str, Prediction], dict[str, str]]:
    """Predictions of the test samples of a fold by every baseline; and how they read the counts."""
    train, test = task.rows(fold)
    split = Split(task.values.astype(float), task.groups, train, test, None)
    return predict_distributions(counts, split, options.draws, options.trees, seed)


def verdict(main: Comparison) -> Verdict:
    """Say how the distributions compare with those of the baselines, and how well their intervals hold."""
    judged = judge_predictor(main, "Phenotype diffusion", NAMES, "quantile_forest")
    if judged.kind == "open":
        return judged
    figures = main.models[MODEL]
    covered = {share: figures[name]["value"] for name, share in INTERVALS.items()}
    shares = " and ".join(f"the {share:.0%} intervals hold {value:.0%}" for share, value in covered.items())
    return replace(judged, text=f"{judged.text} Of the truths, {shares}.")
