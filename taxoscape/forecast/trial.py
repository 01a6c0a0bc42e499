"""Trial: every fold's forecaster and the baselines on the tasks of the subjects that it has not seen."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxoscape.forecast import baselines, evaluate, models
from taxoscape.forecast.anchor import Anchor
from taxoscape.forecast.asked import ask, condition
from taxoscape.forecast.baselines import Point
from taxoscape.forecast.courses import Courses, Task, tasks
from taxoscape.forecast.folds import of_fold
from taxoscape.forecast.models import EVALUATED, Options, anchor_of, noise_of

# Levels of the central intervals whose coverage is drawn.
NOMINAL = tuple(np.round(np.arange(0.1, 1.0, 0.1), 1))


@dataclass(frozen=True)
class Trial:
    """Tasks [P] with their bin, metrics by model [P], CRPS by model and taxon, coverage [P] at NOMINAL levels."""

    tasks: list[Task]
    bins: np.ndarray
    measured: dict[str, dict[str, np.ndarray]]
    taxa: dict[str, np.ndarray]  # model -> mean CRPS [D]
    covered: np.ndarray  # [P, levels]


def run(found: dict, courses: Courses, horizons: list[float], options: Options, seed: int) -> Trial:
    """Forecast and measure, fold by fold; folds without a subject that has two time points add nothing."""
    parts = [_fold(model, courses, fold, horizons, options, seed) for fold, model in found["folds"].items()]
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


def metrics(trial: Trial, horizons: list[float], unit: str, bootstraps: int, seed: int) -> dict:
    """What metrics.json holds: every bin with its models and differences, coverage by level, and the verdict."""
    subjects = np.array([task.subject for task in trial.tasks])
    bins = {}
    for number, name in enumerate(evaluate.bin_names(horizons, unit)):
        rows = np.flatnonzero(trial.bins == number)
        if len(rows):
            part = {
                model: {key: values[rows] for key, values in found.items()} for model, found in trial.measured.items()
            }
            bins[name] = evaluate.summarize(part, subjects[rows], bootstraps, seed)
    of_subject = pd.DataFrame(trial.covered).groupby(subjects).mean()
    return {
        "unit": unit,
        "horizons": horizons,
        "subjects": len(np.unique(subjects)),
        "tasks": len(subjects),
        "bins": bins,
        "nominal": list(NOMINAL),
        "covered": of_subject.mean().to_numpy(),
        "verdict": evaluate.verdict(bins),
    }


def per_taxon(trial: Trial, taxa: np.ndarray) -> pd.DataFrame:
    """Mean CRPS of every taxon by every model, in log-ratios."""
    return pd.DataFrame({"taxon": taxa} | {f"crps of {name}": values for name, values in trial.taxa.items()})


def _fold(model: dict, courses: Courses, fold: int, horizons: list[float], options: Options, seed: int) -> Trial | None:
    asked = of_fold(courses, fold)
    if not asked:
        return None
    bins = evaluate.bins_of(asked, horizons)
    rows = evaluate.chosen(asked, bins, options.targets, seed)
    asked, bins = [asked[row] for row in rows], bins[rows]
    found = anchor_of(model)
    observed, shares = (part[[task.target for task in asked]] for part in (courses.values, courses.shares))
    conditioned = condition(found, ask(courses, found, asked, options.interventions))
    noise = [noise_of(seed, EVALUATED, task.subject, task.time, options.draws, len(found.std)) for task in asked]
    first = np.array([task.first for task in asked])
    drawn = models.draw(model, conditioned, np.array(noise), first)
    point = Point(*models.point(model, conditioned, drawn))
    judged = {evaluate.MODEL: evaluate.measure(point.values, point.shares, drawn, observed, shares)}
    for name, (guess, errors) in _others(model, courses, asked, found, options).items():
        spread = guess.values[:, None] + errors[first.astype(int)]
        judged[name] = evaluate.measure(guess.values, guess.shares, spread, observed, shares)
    measured, taxa = ({name: found[side] for name, found in judged.items()} for side in (0, 1))
    covered = np.column_stack([evaluate.coverage(drawn, observed, level) for level in NOMINAL])
    return Trial(asked, bins, measured, taxa, covered)


def _others(
    model: dict, courses: Courses, asked: list[Task], found: Anchor, options: Options
) -> dict[str, tuple[Point, np.ndarray]]:
    """Point forecasts of the baselines and the anchor, with errors [2, S, D] of later and of next samples."""
    trained, held_out = (tasks(courses, np.array(model[key])) for key in ("trained", "held_out"))

    def every(part: list[Task]) -> dict[str, Point]:
        conditioned = condition(found, ask(courses, found, part, options.interventions))
        guesses = (
            baselines.persistence(courses, part),
            baselines.subject_mean(courses, part),
            baselines.population(found, part),
            baselines.ridge(courses, found, trained, held_out, part),
        )
        named = dict(zip(baselines.NAMES, guesses, strict=True))
        return named | {evaluate.ANCHOR: Point(conditioned.mean, conditioned.shares)}

    guesses, known = every(asked), every(held_out)
    observed = courses.values[[task.target for task in held_out]]
    first = np.array([task.first for task in held_out])
    kinds = []
    for kind in (False, True):
        rows = np.flatnonzero(first == kind)
        rows = rows if len(rows) else np.arange(len(first))
        kinds.append(rows[np.linspace(0, len(rows) - 1, options.draws).round().astype(int)])
    return {name: (guesses[name], (observed - known[name].values)[np.array(kinds)]) for name in guesses}
