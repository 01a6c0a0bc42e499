"""Paths: forecasts of every subject after its last sample, at every horizon at once or step by step.

One step: the horizon is asked for directly. Rolled out: a draw at the first horizon is taken for a sample, the next
horizon is asked for after it, and so on, so that a draw is one possible course.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxoscape.forecast import models
from taxoscape.forecast.asked import ask, condition, follow
from taxoscape.forecast.courses import Courses, future, typical_step
from taxoscape.forecast.models import FUTURE, Forecaster, Forecasters, noise_of

KINDS = ("one step", "rolled out")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Horizons where the config names none, in median times between samples.
STEPS = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Forecasts:
    """R forecasts: of what (subject, origin, ahead, kind), draws [R, S, D], point log-ratios and shares [R, D]."""

    index: pd.DataFrame
    drawn: np.ndarray
    values: np.ndarray
    shares: np.ndarray


def horizons_of(courses: Courses, wanted: list[float] | None) -> list[float]:
    """Horizons of the config in order; where it names none, STEPS median times between samples."""
    if wanted is not None:
        return sorted(float(horizon) for horizon in wanted)
    step = typical_step(courses, np.unique(courses.subjects))
    return [float(f"{factor * step:.3g}") for factor in STEPS]


def forecast(
    found: Forecasters,
    courses: Courses,
    horizons: list[float],
    seed: int,
    changes: dict[int, float] | None = None,
    most: int | None = None,
) -> Forecasts:
    """Forecast every subject, or those `most` with most samples, at every horizon, both ways, by its fold's model."""
    parts, chosen, all_of_them = [], courses.longest(most), len(np.unique(courses.subjects))
    if len(chosen) < all_of_them:
        print(f"{len(chosen)} of {all_of_them:,} subjects, those with most samples, are forecast (forecast.subjects)")
    for subject in chosen:
        model = found.folds[int(courses.fold[courses.of(subject)[0]])]
        for kind, run in zip(KINDS, (one_step, rolled_out), strict=True):
            drawn, values, shares = run(model, courses, subject, horizons, seed, changes)
            origin = float(courses.time[courses.of(subject)[-1]])
            rows = [{"subject": subject, "origin": origin, "ahead": ahead, "kind": kind} for ahead in horizons]
            parts.append((pd.DataFrame(rows), drawn, values, shares))
    index, *arrays = zip(*parts, strict=True)
    return Forecasts(pd.concat(index, ignore_index=True), *(np.concatenate(part) for part in arrays))


def one_step(
    model: Forecaster,
    courses: Courses,
    subject: str,
    horizons: list[float],
    seed: int,
    changes: dict[int, float] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws [K, S, D], point log-ratios and shares [K, D] of a subject at K horizons, each asked for directly."""
    options, found = model.options, model.anchor
    tasks = [future(courses, subject, horizon) for horizon in horizons]
    conditioned = condition(found, ask(courses, found, tasks, options.interventions, changes))
    noise = np.array([noise_of(seed, FUTURE, subject, t.time, options.draws, len(found.std)) for t in tasks])
    first = np.array([horizon == horizons[0] for horizon in horizons])
    drawn = models.draw(model, conditioned, noise, first)
    return drawn, *models.point(model, conditioned, drawn)


def rolled_out(
    model: Forecaster,
    courses: Courses,
    subject: str,
    horizons: list[float],
    seed: int,
    changes: dict[int, float] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, horizon after horizon; the first is that of `one_step`."""
    options, found = model.options, model.anchor
    tasks = [future(courses, subject, horizon) for horizon in horizons]
    questions = ask(courses, found, tasks, options.interventions, changes)
    drawn, values, shares = one_step(model, courses, subject, horizons[:1], seed, changes)
    steps, asked = [drawn[0]], [questions[0]] * options.draws
    for task, then in zip(tasks[1:], questions[1:], strict=True):
        asked = [follow(before, draw, then) for before, draw in zip(asked, steps[-1], strict=True)]
        noise = noise_of(seed, FUTURE, subject, task.time, options.draws, len(found.std))
        steps.append(models.draw_each(model, condition(found, asked), noise, True))
    centres = [models.centres(step) for step in steps[1:]]
    return (
        np.array(steps),
        np.array([values[0], *(centre[0] for centre in centres)]),
        np.array([shares[0], *(centre[1] for centre in centres)]),
    )


def table(forecasts: Forecasts, taxa: np.ndarray) -> pd.DataFrame:
    """One row a forecast and taxon: mean, sd and quantiles of the draws (log-ratios), point forecast and share."""
    columns = {"mean": forecasts.drawn.mean(axis=1), "sd": forecasts.drawn.std(axis=1), "point": forecasts.values}
    quantiles = np.quantile(forecasts.drawn, QUANTILES, axis=1)
    columns |= {f"q{round(100 * level):02d}": values for level, values in zip(QUANTILES, quantiles, strict=True)}
    columns |= {"share": forecasts.shares}
    frame = forecasts.index.loc[forecasts.index.index.repeat(len(taxa))].reset_index(drop=True)
    frame["taxon"] = np.tile(taxa, len(forecasts.index))
    return frame.assign(**{name: values.ravel() for name, values in columns.items()})


def seen(found: Forecasters, courses: Courses, index: pd.DataFrame) -> np.ndarray:
    """Taxa [R, D] that the forecaster of each forecast's subject knows from training."""
    fold = {subject: int(courses.fold[courses.of(subject)[0]]) for subject in index["subject"].unique()}
    return np.array([found.folds[fold[subject]].seen for subject in index["subject"]])
