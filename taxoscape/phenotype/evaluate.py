"""Diffusion beside the baselines: errors, CRPS and coverage with intervals over groups, and a verdict in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape.errors import InputError
from taxoscape.learning.task import Task
from taxoscape.phenotype import saved
from taxoscape.phenotype.ensemble import predict
from taxoscape.phenotype.forecasts import NAMES, Forecast, forecast
from taxoscape.phenotype.options import Options
from taxoscape.phenotype.study import Study
from taxoscape.scoring import distributions as scores
from taxoscape.scoring.metrics import FEW_GROUPS, FEW_SAMPLES, bootstrap, draw_groups, interval, regression_metrics
from taxoscape.scoring.metrics import regression_sums as point_sums

# Differences that are judged; lower is better for both.
COMPARED = ("mae", "crps")


@dataclass(frozen=True)
class Judged:
    """Forecasts [n] of every held-out sample by every model, as tables and as content of metrics.json."""

    truth: np.ndarray
    forecasts: dict[str, Forecast]
    predictions: pd.DataFrame
    baselines: pd.DataFrame
    report: dict


def judge(
    data: Study,
    target: str,
    dealt: np.ndarray,
    models: Sequence[str | Path],
    counts: np.ndarray,
    options: Options,
    seed: int,
) -> Judged:
    """Draw for the test samples of each fold from its model, and hold the draws against the baselines.

    `dealt` [N, R] are the folds of the samples in every repeat, `models` the files of the folds 0, 1, ...; `counts`
    [N, T] the rarefied counts that the baselines read.
    """
    place = [task.name for task in data.tasks].index(target)
    task, tested, spreads, guesses = data.tasks[place], [], [], []
    for own, fold in folds_of(task, dealt):
        rows = own.rows(fold)[1]
        guess, spread = ours(models[fold], data, rows, place, options, seed)
        tested.append(pd.DataFrame({"row": rows, "fold": fold}))
        spreads.append(spread)
        guesses.append({"diffusion": guess} | baselines(own, fold, counts, options, seed))
    order = pd.concat(tested, ignore_index=True)
    rows, fold = order["row"].to_numpy(), order["fold"].to_numpy()
    forecasts = {name: joined([guess[name] for guess in guesses]) for name in ("diffusion", *NAMES)}
    truth, groups = task.values[rows].astype(float), task.groups[rows]
    scored, paired = evaluate(truth, groups, forecasts, options.bootstraps, seed)
    number, subjects = len(np.unique(rows)), len(np.unique(groups))
    report = {
        "target": target,
        "type": "regression",
        "unit": task.unit,
        "n": number,
        "groups": subjects,
        "folds": len(np.unique(fold)) // dealt.shape[1],
        "repeats": dealt.shape[1],
        "metric": "crps",
        "learned_with": [other.name for other in data.tasks if other is not task],
        "fields": list(data.fields),
        "spread": spreads,
        "models": scored,
        "paired": paired,
        "verdict": verdict(scored, paired, number, subjects),
    }
    names = data.samples[rows]
    other = {"sample": names, "fold": fold, "truth": truth} | {name: forecasts[name].prediction for name in NAMES}
    return Judged(truth, forecasts, table(names, fold, truth, forecasts["diffusion"]), pd.DataFrame(other), report)


def folds_of(task: Task, dealt: np.ndarray) -> list[tuple[Task, int]]:
    """Every fold of every repeat that has a sample to test: the task with the folds of that repeat, and its number."""
    found = []
    for column in dealt.T:
        own = replace(task, fold=np.where(task.fold >= 0, column, -1))
        found += [(own, int(fold)) for fold in np.unique(own.fold[own.fold >= 0])]
    return found


def ours(
    path: str | Path, data: Study, rows: np.ndarray, place: int, options: Options, seed: int
) -> tuple[Forecast, dict[str, float]]:
    """Forecast of samples `rows` by the model of a fold, and how its spread was calibrated (error in the unit).

    Raises InputError where the model has learned from any of them.
    """
    trained, learned = saved.load(path)
    seen = set(learned) & set(data.samples[rows])
    if seen:
        raise InputError(f"{path} has learned from {len(seen)} samples that it is to be judged by: train it again")
    drawn = predict(trained, data, rows, options, seed)[..., place]
    error = trained.error[place] * trained.targets[place].std
    return Forecast(drawn.mean(axis=1), drawn), {"stretch": trained.stretch[place], "error": error}


def baselines(task: Task, fold: int, counts: np.ndarray, options: Options, seed: int) -> dict[str, Forecast]:
    """Forecasts of the test samples of a fold by every baseline."""
    used = np.flatnonzero(task.fold >= 0)
    truth, train = task.values[used].astype(float), task.fold[used] != fold
    return forecast(counts[used], truth, task.groups[used], train, options.draws, options.trees, seed)


def joined(parts: list[Forecast]) -> Forecast:
    """Forecasts of several folds as one."""
    drawn = None if parts[0].draws is None else np.concatenate([part.draws for part in parts])
    return Forecast(np.concatenate([part.prediction for part in parts]), drawn)


def table(samples: np.ndarray, fold: np.ndarray, truth: np.ndarray, guess: Forecast) -> pd.DataFrame:
    """Forecasts as a table: sample, fold, truth, prediction, sd, and the edges of the 50 % and 90 % intervals."""
    columns = {"sample": samples, "fold": fold, "truth": truth, "prediction": guess.prediction}
    columns["sd"] = guess.draws.std(axis=1)
    for name, share in scores.INTERVALS.items():
        columns[f"low{name[-2:]}"], columns[f"high{name[-2:]}"] = scores.central_interval(guess.draws, share)
    return pd.DataFrame(columns)


def terms(truth: np.ndarray, guess: Forecast) -> np.ndarray:
    """Per-sample terms [n, 8]: those of regression_sums, CRPS, and whether the 50 % and 90 % intervals hold the truth.

    Of a number without a distribution the CRPS is the absolute error, and there are no intervals.
    """
    points = point_sums(truth, guess.prediction)
    if guess.draws is None:
        return np.column_stack([points, points[:, 3], np.full((len(truth), 2), np.nan)])
    held = [scores.inside(truth, guess.draws, share) for share in scores.INTERVALS.values()]
    return np.column_stack([points, scores.crps(truth, guess.draws), *held])


def metrics(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics of summed terms [..., 8]: those of regression_metrics, CRPS and the coverages."""
    count = sums[..., 0]
    found = {"crps": sums[..., 5] / count}
    found |= {f"cover{name[-2:]}": sums[..., 6 + place] / count for place, name in enumerate(scores.INTERVALS)}
    return regression_metrics(sums[..., :5]) | found


def evaluate(
    truth: np.ndarray, groups: np.ndarray, forecasts: Mapping[str, Forecast], draws: int, seed: int
) -> tuple[dict, dict]:
    """Metrics of every model, and the paired differences diffusion - baseline, with 95 % intervals over groups.

    All models share the bootstrap draws, so that a difference is between the same groups.
    """
    weights, member = draw_groups(groups, draws, seed)
    scored = {name: bootstrap(terms(truth, guess), metrics, weights, member) for name, guess in forecasts.items()}
    models = {
        name: {metric: entry(value, drawn) for metric, (value, drawn) in score.items()}
        for name, score in scored.items()
    }
    ours = scored["diffusion"]
    paired = {
        name: {
            metric: entry(ours[metric][0] - score[metric][0], ours[metric][1] - score[metric][1]) for metric in COMPARED
        }
        for name, score in scored.items()
        if name != "diffusion"
    }
    return models, paired


def entry(value: float, drawn: np.ndarray) -> dict[str, float]:
    """A figure with its 95 % interval."""
    low, high = interval(drawn)
    return {"value": value, "low": low, "high": high}


def outcome(difference: Mapping[str, float]) -> str:
    """Whether diffusion is better than, worse than or not distinguishable from a baseline (lower is better)."""
    if difference["high"] < 0:
        return "better than"
    return "worse than" if difference["low"] > 0 else "not distinguishable from"


def verdict(models: Mapping, paired: Mapping, samples: int, groups: int) -> str:
    """Say in two sentences what the paired intervals allow to say, and how well the intervals hold the truth."""
    if samples < FEW_SAMPLES or groups < FEW_GROUPS:
        return (
            f"{samples} samples of {groups} groups are too few to learn from or to judge by: the figures stand beside "
            "the mean predictor with their intervals, and say nothing about other samples."
        )
    against = paired["mean"]["crps"]
    said = f"Phenotype diffusion on {samples} samples of {groups} groups: "
    if against["high"] >= 0:
        said += f"{outcome(against)} the training quantiles (CRPS); no signal"
    else:
        said += (
            f"error {outcome(paired['random_forest']['mae'])} the random forest, "
            f"distribution (CRPS) {outcome(paired['quantile_forest']['crps'])} the quantile forest"
        )
    cover = {name: models["diffusion"][f"cover{name[-2:]}"]["value"] for name in scores.INTERVALS}
    held = " and ".join(f"the {name[-2:]} % intervals hold {value:.0%}" for name, value in cover.items())
    return f"{said}. Of the truths, {held}."
