"""Trial: every fold's forecaster and the baselines on the tasks of the subjects that it has not seen."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxoscape.forecast import baselines, evaluate, models
from taxoscape.forecast.asked import ask, condition
from taxoscape.forecast.baselines import Point
from taxoscape.forecast.courses import Courses, Task, tasks
from taxoscape.forecast.folds import of_fold
from taxoscape.forecast.models import EVALUATED, Forecaster, Forecasters, Options, noise_of
from taxoscape.scoring.distributions import inside
from taxoscape.scoring.results import Results

# Levels of the central intervals whose coverage is plotted.
NOMINAL = tuple(np.round(np.arange(0.1, 1.0, 0.1), 1))


@dataclass(frozen=True)
class Trial:
    """Tasks [P] with their bin, metrics by model [P], CRPS by model and taxon, coverage [P] at NOMINAL levels."""

    tasks: list[Task]
    bins: np.ndarray
    measured: dict[str, dict[str, np.ndarray]]
    taxa: dict[str, np.ndarray]  # model -> mean CRPS [D]
    covered: np.ndarray  # [P, levels]


def run(found: Forecasters, courses: Courses, horizons: list[float], options: Options, seed: int) -> Trial:
    """Forecast and measure, fold by fold; folds without a subject that has two time points add nothing."""
    parts = [_fold(model, courses, fold, horizons, options, seed) for fold, model in found.folds.items()]
    parts = [part for part in parts if part is not None]
    names = parts[0].measured
    keys = parts[0].measured[evaluate.MODEL]
    sizes = np.array([len(part.tasks) for part in parts])
    return Trial(
        tasks=[task for part in parts for task in part.tasks],
        bins=np.concatenate([part.bins for part in parts]),
        measured={
            name: {key: np.concatenate([part.measured[name][key] for part in parts]) for key in keys} for name in names
        },
        taxa={name: np.average([part.taxa[name] for part in parts], axis=0, weights=sizes) for name in names},
        covered=np.concatenate([part.covered for part in parts]),
    )


def results(trial: Trial, horizons: list[float], unit: str, bootstraps: int, seed: int) -> Results:
    """What metrics.json holds: a comparison for every bin that has tasks, coverage by bin and level, the verdict."""
    subjects = np.array([task.subject for task in trial.tasks])
    comparisons, covered = [], {}
    for number, name in enumerate(evaluate.bin_names(horizons, unit)):
        rows = np.flatnonzero(trial.bins == number)
        if not len(rows):
            continue
        measured = {
            model: {key: values[rows] for key, values in found.items()} for model, found in trial.measured.items()
        }
        comparisons.append(evaluate.compare(name, measured, subjects[rows], bootstraps, seed))
        covered[name] = pd.DataFrame(trial.covered[rows]).groupby(subjects[rows]).mean().mean().tolist()
    return Results(
        stage="forecast",
        target="communities to come",
        type="forecasts",
        unit=unit,
        comparisons=comparisons,
        verdict=evaluate.verdict(comparisons),
        details={
            "horizons": horizons,
            "tasks": len(subjects),
            "subjects": len(np.unique(subjects)),
            "nominal": list(NOMINAL),
            "covered": covered,
        },
    )


def per_taxon(trial: Trial, taxa: np.ndarray) -> pd.DataFrame:
    """Mean CRPS of every taxon by every model, in log-ratios."""
    return pd.DataFrame({"taxon": taxa} | {f"crps of {name}": values for name, values in trial.taxa.items()})


def _fold(
    model: Forecaster, courses: Courses, fold: int, horizons: list[float], options: Options, seed: int
) -> Trial | None:
    asked = of_fold(courses, fold)
    if not asked:
        return None
    bins = evaluate.bins_of(asked, horizons)
    rows = evaluate.chosen(asked, bins, options.targets, seed)
    asked, bins = [asked[row] for row in rows], bins[rows]
    found = model.anchor
    observed, shares = (part[[task.target for task in asked]] for part in (courses.values, courses.shares))
    conditioned = condition(found, ask(courses, found, asked, options.interventions))
    noise = [noise_of(seed, EVALUATED, task.subject, task.time, options.draws, len(found.std)) for task in asked]
    noise, first = np.array(noise), np.array([task.first for task in asked])
    drawn = models.draw(model, conditioned, noise, first)
    forecasts = {
        evaluate.MODEL: (Point(*models.point(model, conditioned, drawn)), drawn),
        evaluate.ANCHOR: (
            Point(conditioned.mean, conditioned.shares),
            models.draw_anchor(model, conditioned, noise, first),
        ),
    } | _baselines(model, courses, asked, bins, horizons)
    judged = {name: evaluate.measure(*forecast, observed, shares) for name, forecast in forecasts.items()}
    measured, taxa = ({name: found[side] for name, found in judged.items()} for side in (0, 1))
    covered = np.column_stack([inside(observed, drawn, level).mean(axis=1) for level in NOMINAL])
    return Trial(asked, bins, measured, taxa, covered)


def _baselines(
    model: Forecaster, courses: Courses, asked: list[Task], bins: np.ndarray, horizons: list[float]
) -> dict[str, tuple[Point, np.ndarray]]:
    """Points and draws [P, S, D] of the baselines, and of the anchor as one of them.

    Draws are the point plus errors of the other folds' tasks as far ahead.
    """
    found, options = model.anchor, model.options
    trained, held_out = (tasks(courses, np.array(part)) for part in (model.trained, model.held_out))
    known = [*trained, *held_out]
    rows = baselines.scatter(evaluate.bins_of(known, horizons), len(horizons) + 2, options.draws)
    needed, place = np.unique(rows, return_inverse=True)
    known = [known[row] for row in needed]
    observed = courses.values[[task.target for task in known]]

    def points_of(part: list[Task]) -> dict[str, Point]:
        conditioned = condition(found, ask(courses, found, part, options.interventions))
        anchored = {evaluate.ANCHOR_PAST: Point(conditioned.mean, conditioned.shares)}
        return baselines.points(courses, found, trained, held_out, part) | anchored

    points, again = points_of(asked), points_of(known)
    place = place.reshape(rows.shape)[bins]  # [P, S]
    return {
        name: (point, point.values[:, None] + (observed - again[name].values)[place]) for name, point in points.items()
    }
