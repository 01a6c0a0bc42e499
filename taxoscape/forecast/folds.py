"""Folds: a forecaster for each, fitted without its subjects: everybody is forecast by one that has not seen them.

A fold that is finished is kept beside the checkpoints until all are, and training goes on there after a kill.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from taxoscape.errors import InputError
from taxoscape.forecast import models
from taxoscape.forecast.courses import Courses, Task, tasks
from taxoscape.forecast.models import Options
from taxoscape.learning import checkpoint


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


def fit(courses: Courses, options: Options, seed: int, folder: Path) -> tuple[dict, pd.DataFrame]:
    """Fit the forecasters of all folds -> models by fold, losses (fold, step, training, validation)."""
    found, histories = {}, []
    for fold in np.unique(courses.fold).tolist():
        path = folder / f"fold{fold}.pt"
        state = checkpoint.load(path) if path.is_file() else {}
        if "model" not in state:
            trained, held_out = divide(courses, fold, options.validation, seed)

            def keep(progress: dict, path: Path = path) -> None:
                checkpoint.save({"progress": progress}, path)

            model, history = models.fit(
                courses, trained, held_out, options, (seed, fold), state=state.get("progress"), keep=keep
            )
            model |= {"trained": trained.tolist(), "held_out": held_out.tolist()}
            state = {"model": model, "history": history.to_numpy().tolist()}
            checkpoint.save(state, path)
        found[fold] = state["model"]
        frame = pd.DataFrame(state["history"], columns=["step", "training", "validation"])
        histories.append(frame.assign(step=frame["step"].astype(int)))
        histories[-1].insert(0, "fold", fold)
    return {"folds": found}, pd.concat(histories, ignore_index=True)


def of_fold(courses: Courses, fold: int) -> list[Task]:
    """Tasks of the subjects of a fold."""
    return tasks(courses, np.unique(courses.subjects[courses.fold == fold]))


def describe(found: dict, history: pd.DataFrame, courses: Courses) -> dict:
    """What was trained on what, for the report."""
    best = history.loc[history.groupby("fold")["validation"].idxmin()].set_index("fold")
    start = history[history["step"] == 0].set_index("fold")["validation"]
    weights = sum(w.numel() for w in next(iter(found["folds"].values()))["network"].values())
    return {
        "subjects": len(np.unique(courses.subjects)),
        "samples": len(courses.names),
        "taxa": len(courses.taxa),
        "weights": int(weights),
        "folds": {
            str(fold): {
                "training_subjects": len(model["trained"]),
                "held_out_subjects": len(model["held_out"]),
                "covariance": torch.as_tensor(model["anchor"]["covariance"]).tolist(),
                "bandwidth": model["anchor"]["bandwidth"],
                "best_step": int(best["step"][fold]),
                "loss_of_the_anchor": float(start[fold]),
                "loss": float(best["validation"][fold]),
                "spread": torch.as_tensor(model["spread"]["factors"]).tolist(),
            }
            for fold, model in found["folds"].items()
        },
    }
