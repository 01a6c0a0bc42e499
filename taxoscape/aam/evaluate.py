"""Out-of-fold predictions of all folds next to the baselines on the same folds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.aam.options import Options
from taxoscape.files import read_npz
from taxoscape.learning.task import Task
from taxoscape.scoring import baselines
from taxoscape.scoring.baselines import Evidence, as_prediction
from taxoscape.scoring.bootstrap import folds_of_one_class
from taxoscape.scoring.comparison import Held, Prediction, compare
from taxoscape.scoring.distributions import pinball
from taxoscape.scoring.readings import Split, count_choices
from taxoscape.scoring.results import Comparison, Results
from taxoscape.scoring.verdicts import judge_predictor

UNSEEN = 0.75  # quantile of the share of reads in unseen ASVs from which a sample belongs to the slice
FOREST, STACK = "random_forest", "stack"


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
    goals: Sequence[Task],
    samples: np.ndarray,
    evidence: Evidence,
    options: Options,
    seed: int,
    folds: Sequence[int] | None = None,
) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
    """Predict every sample with a known target by the baselines, in `folds` (all) of each repeat of the task.

    Columns sample, fold, truth, unseen (share of the reads in ASVs that no training sample has), then a column a
    baseline; for classification also BASELINE:CATEGORY, the probabilities. Besides, baseline -> reading of the counts
    -> number of folds in which it was chosen.
    """
    frames, reads = [], []
    for task in goals:
        used = np.flatnonzero(task.fold >= 0)
        known = evidence.of(used)
        truth = task.values[used].astype(str if task.categories else float)
        for number in np.unique(task.fold[used]) if folds is None else folds:
            task.rows(number)
            train, test = (np.flatnonzero((task.fold[used] == number) == side) for side in (False, True))
            split = Split(truth, task.groups[used], train, test, task.categories)
            guesses, read = baselines.predict_fold(known, split, number, options.trees, seed)
            reads.append(read)
            columns = {"sample": samples[used][test], "fold": number, "truth": task.values[used][test]}
            columns["unseen"] = unseen_share(known.counts["all reads"][0], train)[test]
            for name, guess in guesses.items():
                columns[name] = guess.value
                for place, label in enumerate(task.categories or ()):
                    columns[f"{name}:{label}"] = guess.probabilities[:, place]
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True), count_choices(reads)


def unseen_share(counts: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Share of each sample's reads, of sparse counts [N, T], in features that no sample of `train` has: [N]."""
    new = np.asarray(counts[train].sum(axis=0)).ravel() == 0
    unseen, every = (np.asarray(part.sum(axis=1)).ravel() for part in (counts[:, np.flatnonzero(new)], counts))
    return unseen / np.maximum(1, every)


def evaluate(
    task: Task,
    samples: np.ndarray,
    predicted: pd.DataFrame,
    baseline_table: pd.DataFrame,
    chosen: dict[str, dict[str, int]],
    options: Options,
    seed: int,
) -> Results:
    """Compare AAM with the baselines on all samples, on those with many unseen ASVs, and its mean with the forest.

    `predicted` and `baseline_table` may hold several repeats, each sample once in every one of them.
    """
    keys = ["sample", "fold"]
    baseline_table = baseline_table.set_index(keys).loc[pd.MultiIndex.from_frame(predicted[keys])]
    truth = predicted["truth"].to_numpy(dtype=object if task.categories else float)
    groups = pd.Series(task.groups, index=samples)[predicted["sample"]].to_numpy()
    held = Held(predicted["sample"].to_numpy(), truth, groups, predicted["fold"].to_numpy())
    names = [name for name in baselines.READS if name in baseline_table]
    predictions = {"aam": from_table(predicted, "prediction", "p_", task)}
    predictions |= {name: from_table(baseline_table, name, f"{name}:", task) for name in names}
    unseen = baseline_table["unseen"].to_numpy(float)
    parts = comparisons(held, predictions, unseen, task.categories, options.bootstraps, seed)
    repeats = len(predicted) // parts[0].n
    if task.categories:
        further = {"auc_folds_left_out": folds_of_one_class(truth, held.fold)}
    else:
        further = spread_of(truth, predicted, options.interval)
    return Results(
        stage="aam",
        target=task.name,
        type="classification" if task.categories else "regression",
        unit=task.unit,
        comparisons=parts,
        verdict=judge_predictor(parts[0], "AAM", names, FOREST),
        details={"folds": len(np.unique(held.fold)) // repeats, "repeats": repeats, "readings": chosen} | further,
    )


def comparisons(
    held: Held,
    predictions: dict[str, Prediction],
    unseen: np.ndarray,
    categories: list[str] | None,
    draws: int,
    seed: int,
) -> list[Comparison]:
    """Compare on all samples; the mean of AAM and forest; and on the samples with the highest shares `unseen` [N]."""
    metric = "accuracy" if categories else "mae"
    options = {"categories": categories, "metric": metric, "draws": draws, "seed": seed}
    pair = {name: predictions[name] for name in ("aam", FOREST)}
    stack = {STACK: mean_of(*pair.values(), categories)}
    parts = [
        compare("all samples", held, predictions | stack, judged="aam", **options),
        compare("mean of AAM and random forest", held, stack | pair, judged=STACK, **options),
    ]
    many = unseen >= max(np.quantile(unseen, UNSEEN), np.finfo(float).tiny)
    if many.any():
        name = f"samples with at least {unseen[many].min():.1%} of their reads in ASVs that no training sample has"
        taken = {model: guess.take(many) for model, guess in predictions.items()}
        parts.append(compare(name, held.take(many), taken, judged="aam", **options))
    return parts


def from_table(table: pd.DataFrame, name: str, prefix: str, task: Task) -> Prediction:
    """Prediction of a model from its columns: `name`, or the probabilities `prefix`CATEGORY."""
    if task.categories:
        return as_prediction(table[[f"{prefix}{label}" for label in task.categories]].to_numpy(float), task.categories)
    return Prediction(table[name].to_numpy(float))


def mean_of(one: Prediction, other: Prediction, categories: list[str] | None) -> Prediction:
    """Mean of two predictions, or of their probabilities.

    Nothing is fitted. It is not an AAM: it shows whether the two know different things.
    """
    if categories:
        return as_prediction((one.probabilities + other.probabilities) / 2, categories)
    return Prediction((one.value + other.value) / 2)


def spread_of(truth: np.ndarray, predicted: pd.DataFrame, nominal: float) -> dict:
    """Share of truths [N] in the prediction intervals, and below each predicted quantile with its pinball loss."""
    spread, low, high = {}, predicted["low"].to_numpy(float), predicted["high"].to_numpy(float)
    known = np.isfinite(low)
    if known.any():
        inside = (truth >= low) & (truth <= high)
        spread["interval"] = {
            "nominal": nominal,
            "covered": float(inside[known].mean()),
            "width": float((high - low)[known].mean()),
        }
    names = [name for name in predicted.columns if name.startswith("q_")]
    if names:
        values, levels = predicted[names].to_numpy(float), np.array([float(name.removeprefix("q_")) for name in names])
        below, loss = (truth[:, None] <= values).mean(axis=0), pinball(truth, values, levels).mean(axis=0)
        spread["quantiles"] = {
            name: {"below": float(share), "pinball": float(one)}
            for name, share, one in zip(names, below, loss, strict=True)
        }
    return spread
