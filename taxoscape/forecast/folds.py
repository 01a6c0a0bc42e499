"""Folds: a forecaster for each, fitted without its subjects: every subject is forecast by one that has not seen it.

A fold that is finished is kept next to the checkpoints until all are, and training goes on there after a kill.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxoscape.errors import InputError
from taxoscape.forecast import models
from taxoscape.forecast.courses import Courses, Task, tasks
from taxoscape.forecast.models import Forecaster, Forecasters, Options
from taxoscape.learning import checkpoint
from taxoscape.learning.loop import Place
from taxoscape.learning.monitor import table


def divide(courses: Courses, fold: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Subjects that the forecaster of a fold is trained on, and those that stop and calibrate it (with two times)."""
    others = np.unique(courses.subjects[courses.fold != fold])
    able = np.array([subject for subject in others if len(np.unique(courses.time[courses.of(subject)])) > 1])
    number = max(1, round(share * len(able)))
    if len(able) - number < 1 or len(others) - number < 2:
        raise InputError(
            f"forecast: without fold {fold}, {len(able)} of {len(others)} subjects have two time points; at least 2 of "
            "3 are needed: raise metadata.folds, or set forecast.enabled: false"
        )
    held_out = np.sort(np.random.default_rng((seed, fold)).permutation(able)[:number])
    return np.setdiff1d(others, held_out), held_out


@dataclass(frozen=True)
class Finished:
    """A fold that is finished, while others are not: its forecaster and the rounds of its training."""

    model: Forecaster
    history: list[dict]


def fit(courses: Courses, options: Options, seed: int, place: Place) -> tuple[Forecasters, pd.DataFrame]:
    """Fit the forecasters of all folds -> forecasters, losses (fold, step, training, validation and their terms)."""
    found, histories = {}, []
    for fold in np.unique(courses.fold).tolist():
        path = place.resume and place.resume / f"finished{fold}.pt"
        if path and path.is_file():
            finished = checkpoint.load(path, Finished, "remove it to train the fold again")
        else:
            groups = divide(courses, fold, options.validation, seed)
            finished = Finished(*models.fit(courses, *groups, options, (seed, fold), place.of(f"fold{fold}")))
            if path:
                checkpoint.save(finished, path)
        found[fold] = finished.model
        histories.append(table(finished.history))
        histories[-1].insert(0, "fold", fold)
    return Forecasters(found), pd.concat(histories, ignore_index=True)


def of_fold(courses: Courses, fold: int) -> list[Task]:
    """Tasks of the subjects of a fold."""
    return tasks(courses, np.unique(courses.subjects[courses.fold == fold]))


def describe(found: Forecasters, history: pd.DataFrame, courses: Courses) -> dict:
    """What was trained on what, for the report."""
    best = history.loc[history.groupby("fold")["validation"].idxmin()].set_index("fold")
    start = history[history["step"] == 0].set_index("fold")["validation"]
    weights = sum(w.numel() for w in next(iter(found.folds.values())).network.values())
    return {
        "subjects": len(np.unique(courses.subjects)),
        "samples": len(courses.names),
        "taxa": len(courses.taxa),
        "weights": int(weights),
        "folds": {
            str(fold): {
                "training_subjects": len(model.trained),
                "held_out_subjects": len(model.held_out),
                "covariance": model.anchor.covariance.tolist(),
                "bandwidth": model.anchor.bandwidth,
                "best_step": int(best["step"][fold]),
                "loss_of_the_anchor": float(start[fold]),
                "loss": float(best["validation"][fold]),
                "spread": model.spread.factors.tolist(),
            }
            for fold, model in found.folds.items()
        },
    }
