"""Out-of-fold predictions of all folds beside the baselines on the same folds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.aam.options import Options
from taxoscape.files import read_npz
from taxoscape.learning.task import Task
from taxoscape.scoring import baselines, metrics
from taxoscape.scoring.baselines import Evidence

UNSEEN = 0.75  # quantile of the share of reads in unseen ASVs from which a sample belongs to the slice


def read_predictions(paths: list[str], task: Task) -> pd.DataFrame:
    """Join the folds' predictions.tsv; numbers as numbers."""
    frames = [tables.read_tsv(path, "predictions") for path in paths]
    table = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    text = {"sample"} | ({"truth", "prediction"} if task.categories else set())
    for name in table.columns.difference(text):
        table[name] = pd.to_numeric(table[name].replace("", "nan"))
    return table


def read_frozen(paths: list[str], samples: np.ndarray) -> dict[int, dict[str, np.ndarray]]:
    """Sample embeddings [N, D] of each fold's encoders, pretrained and random, in the order of `samples` [N]."""
    frozen = {}
    for path in paths:
        stored = read_npz(path, ["samples", "fold", "random", "pretrained"])
        order = pd.Index(stored["samples"]).get_indexer(samples)
        frozen[int(stored["fold"])] = {name: stored[name][order] for name in ("random", "pretrained")}
    return frozen


def baseline_predictions(
    task: Task,
    samples: np.ndarray,
    evidence: Evidence,
    options: Options,
    seed: int,
    folds: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Predict every sample with a known target by the baselines, in `folds` (all of the task's).

    Columns sample, fold, truth, unseen (share of the reads in ASVs that no training sample has), then a column a
    baseline; for classification also BASELINE:CATEGORY, the probabilities.
    """
    used = np.flatnonzero(task.fold >= 0)
    truth, fold, evidence = task.values[used], task.fold[used], evidence.of(used)
    truth = truth.astype(str) if task.categories else truth.astype(float)
    frames = []
    for number in np.unique(fold) if folds is None else folds:
        train = fold != number
        task.rows(number)
        predicted = baselines.predict_fold(
            evidence, truth, task.groups[used], train, number, task.categories, options.trees, seed
        )
        own = {"sample": samples[used][~train], "fold": number, "truth": task.values[used][~train]}
        own["unseen"] = unseen_share(evidence.counts, train)[~train]
        for name, values in predicted.items():
            if task.categories:
                own[name] = np.array(task.categories, dtype=object)[values.argmax(axis=1)]
                own |= {f"{name}:{label}": values[:, place] for place, label in enumerate(task.categories)}
            else:
                own[name] = values
        frames.append(pd.DataFrame(own))
    return pd.concat(frames, ignore_index=True)


def stacked(
    truth: np.ndarray,
    predictions: dict[str, np.ndarray],
    scores: dict[str, np.ndarray] | None,
    groups: np.ndarray,
    categories: list[str] | None,
    draws: int,
    seed: int,
) -> dict:
    """Metrics of the mean of AAM's and the forest's predictions (or probabilities), and the differences to each.

    Nothing is fitted. It is no AAM: it says whether the two know different things.
    """
    pair = ("aam", "random_forest")
    if categories:
        mean = np.mean([scores[name] for name in pair], axis=0)
        guess = np.array(categories, dtype=object)[mean.argmax(axis=1)]
        scores = {name: scores[name] for name in pair} | {"stack": mean}
    else:
        guess = np.mean([predictions[name] for name in pair], axis=0)
    every = {name: predictions[name] for name in pair} | {"stack": guess}
    models, paired = metrics.compare(truth, every, groups, categories, draws, seed, scores, ours="stack")
    return {"model": models["stack"], "paired": paired}


def unseen_share(counts: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Share of each sample's reads, of counts [N, T], in features that no sample of `train` [N] bool has: [N]."""
    new = counts[train].sum(axis=0) == 0
    return counts[:, new].sum(axis=1) / np.maximum(1, counts.sum(axis=1))


def evaluate(
    task: Task, samples: np.ndarray, ours: pd.DataFrame, theirs: pd.DataFrame, options: Options, seed: int
) -> dict:
    """Content of metrics.json: every model's metrics, the paired differences, interval coverage and the verdict.

    `ours` and `theirs` may hold several repeats, each sample once in every one of them.
    """
    theirs = theirs.set_index(["sample", "fold"]).loc[pd.MultiIndex.from_frame(ours[["sample", "fold"]])]
    groups = pd.Series(task.groups, index=samples)[ours["sample"]].to_numpy()
    kind = object if task.categories else float
    truth = ours["truth"].to_numpy(dtype=kind)
    names = [name for name in baselines.READS if name in theirs]
    predictions = {"aam": ours["prediction"].to_numpy(dtype=kind)}
    predictions |= {name: theirs[name].to_numpy(dtype=kind) for name in names}
    scores = None
    if task.categories:
        scores = {"aam": ours[[f"p_{label}" for label in task.categories]].to_numpy(dtype=float)}
        scores |= {
            name: theirs[[f"{name}:{label}" for label in task.categories]].to_numpy(dtype=float) for name in names
        }
    models, paired = metrics.compare(truth, predictions, groups, task.categories, options.bootstraps, seed, scores)
    number, of_groups = ours["sample"].nunique(), len(np.unique(groups))
    report = {
        "target": task.name,
        "type": "classification" if task.categories else "regression",
        "unit": task.unit,
        "n": number,
        "groups": of_groups,
        "folds": int(ours["fold"].nunique()),
        "repeats": len(ours) // number,
        "metric": "accuracy" if task.categories else "mae",
        "models": models,
        "paired": paired,
        "verdict": metrics.verdict(paired, number, of_groups),
    }
    report["stack"] = stacked(truth, predictions, scores, groups, task.categories, options.bootstraps, seed)
    few = theirs["unseen"].to_numpy(dtype=float)
    many = few >= max(np.quantile(few, UNSEEN), np.finfo(float).tiny)
    if many.any():
        kept = {name: values[many] for name, values in predictions.items()}
        sliced, _ = metrics.compare(truth[many], kept, groups[many], task.categories, options.bootstraps, seed)
        report["unseen"] = {
            "share_of_reads": float(few[many].min()),
            "n": int(ours["sample"][many].nunique()),
            "groups": len(np.unique(groups[many])),
            "models": {name: {report["metric"]: found[report["metric"]]} for name, found in sliced.items()},
        }
    quantiles = {name: float((truth <= ours[name]).mean()) for name in ours.columns if name.startswith("q_")}
    if quantiles:
        report["below_quantile"] = quantiles
    if not task.categories:
        report["coverage"] = metrics.coverage(truth, ours["low"].to_numpy(), ours["high"].to_numpy(), options.interval)
    return report
