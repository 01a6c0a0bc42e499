"""Out-of-fold predictions of all folds beside the baselines on the same folds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.aam import baselines, metrics
from taxoscape.aam.options import Options
from taxoscape.aam.task import Task


def read_predictions(paths: list[str], task: Task) -> pd.DataFrame:
    """Join the folds' predictions.tsv; numbers as numbers."""
    frames = [tables.read_tsv(path, "predictions") for path in paths]
    table = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    text = {"sample"} | ({"truth", "prediction"} if task.categories else set())
    for name in table.columns.difference(text):
        table[name] = pd.to_numeric(table[name].replace("", "nan"))
    return table


def baseline_predictions(
    task: Task,
    samples: np.ndarray,
    counts: np.ndarray,
    options: Options,
    seed: int,
    folds: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Predict every sample with a known target by the baselines: sample, fold, truth, one column a baseline.

    `folds` are those to predict, all by default; columns are empty for the others.
    """
    used = np.flatnonzero(task.fold >= 0)
    truth, fold = task.values[used], task.fold[used]
    table = pd.DataFrame({"sample": samples[used], "fold": fold, "truth": truth})
    names = baselines.names(task.categories is not None)
    table = table.assign(**{name: pd.Series(index=table.index, dtype=truth.dtype) for name in names})
    truth = truth.astype(str) if task.categories else truth.astype(float)
    for number in np.unique(fold) if folds is None else folds:
        train = fold != number
        task.rows(number)
        predicted = baselines.predict_fold(
            counts[used], truth, task.groups[used], train, task.categories is not None, options.trees, seed
        )
        for name, values in predicted.items():
            table.loc[~train, name] = values
    return table


def evaluate(
    task: Task, samples: np.ndarray, ours: pd.DataFrame, theirs: pd.DataFrame, options: Options, seed: int
) -> dict:
    """Content of metrics.json: every model's metrics, the paired differences, interval coverage and the verdict."""
    theirs = theirs.set_index("sample").loc[ours["sample"]]
    group = dict(zip(samples, task.groups, strict=True))
    groups = np.array([group[name] for name in ours["sample"]])
    kind = object if task.categories else float
    truth = ours["truth"].to_numpy(dtype=kind)
    predictions = {"aam": ours["prediction"].to_numpy(dtype=kind)}
    predictions |= {name: theirs[name].to_numpy(dtype=kind) for name in baselines.names(task.categories is not None)}
    models, paired = metrics.compare(truth, predictions, groups, task.categories, options.bootstraps, seed)
    report = {
        "target": task.name,
        "type": "classification" if task.categories else "regression",
        "unit": task.unit,
        "n": len(ours),
        "groups": len(np.unique(groups)),
        "folds": int(ours["fold"].nunique()),
        "metric": "accuracy" if task.categories else "mae",
        "models": models,
        "paired": paired,
        "verdict": metrics.verdict(paired, len(ours), len(np.unique(groups))),
    }
    quantiles = {name: float((truth <= ours[name]).mean()) for name in ours.columns if name.startswith("q_")}
    if quantiles:
        report["below_quantile"] = quantiles
    if not task.categories:
        report["coverage"] = metrics.coverage(truth, ours["low"].to_numpy(), ours["high"].to_numpy(), options.interval)
    return report
