"""Baselines: what a forecast has to beat. Each gives log-ratios and shares for tasks, knowing what the forecast knows.

Persistence is the last earlier sample; the subject mean that of all earlier ones; the population is the kernel mean
of the other subjects at that time; ridge AR(1) is linear in the last earlier sample and in time. Their draws are the
point plus the errors that they made of all subjects of the other folds as far ahead (`scatter`). The held-out
subjects alone, who calibrate the network, are too few: with them the CRPS was up to 5 % higher on ECAM and the mice.
"""

from dataclasses import dataclass

import numpy as np

from taxoscape.compositions import clr_inverse
from taxoscape.forecast import anchor as anchors
from taxoscape.forecast.anchor import Anchor
from taxoscape.forecast.courses import Courses, Task

NAMES = ("persistence", "subject mean", "population at that time", "ridge AR(1)")
# Penalties of the ridge that are tried, in samples.
PENALTIES = (100.0, 1000.0, 10000.0, 100000.0)
# Tasks that a bin needs for a scatter of its own: with fewer, 90 % intervals end at the largest errors.
ENOUGH = 20


@dataclass(frozen=True)
class Point:
    """A forecast of tasks without its uncertainty: log-ratios [P, D] and shares [P, D]."""

    values: np.ndarray
    shares: np.ndarray


def points(
    courses: Courses, found: Anchor, learned: list[Task], held_out: list[Task], tasks: list[Task]
) -> dict[str, Point]:
    """Forecasts of tasks by every baseline; the ridge is fitted to `learned` and its penalty chosen by `held_out`."""
    made = (
        persistence(courses, tasks),
        subject_mean(courses, tasks),
        population(found, tasks),
        ridge(courses, found, learned, held_out, tasks),
    )
    return dict(zip(NAMES, made, strict=True))


def scatter(bins: np.ndarray, number: int, draws: int) -> np.ndarray:
    """Rows [K, draws] of known tasks, in bins [P] by how far ahead, whose errors scatter a forecast of each bin.

    They are spread evenly over the tasks of the bin. A bin of fewer than ENOUGH tasks borrows those of the nearest bin
    that has enough (of two equally near, the one further ahead); where no bin has, all tasks are taken.
    """
    enough = np.flatnonzero(np.bincount(bins, minlength=number) >= ENOUGH)
    rows = []
    for wanted in range(number):
        nearest = min(enough, key=lambda other, wanted=wanted: (abs(other - wanted), -other), default=None)
        tasks = np.arange(len(bins)) if nearest is None else np.flatnonzero(bins == nearest)
        rows.append(tasks[np.linspace(0, len(tasks) - 1, draws).round().astype(int)])
    return np.array(rows)


def persistence(courses: Courses, tasks: list[Task]) -> Point:
    """The last earlier sample; the mean of them where several were taken at that time."""
    times = [courses.time[task.history] for task in tasks]
    return _means(courses, [task.history[time == time.max()] for task, time in zip(tasks, times, strict=True)])


def subject_mean(courses: Courses, tasks: list[Task]) -> Point:
    """Mean of all earlier samples."""
    return _means(courses, [task.history for task in tasks])


def population(found: Anchor, tasks: list[Task]) -> Point:
    """Kernel mean of the training samples of other subjects at that time."""
    time, subjects = np.array([task.time for task in tasks]), np.array([task.subject for task in tasks])
    roots = anchors.population(found, time, subjects, roots=True)
    return Point(anchors.population(found, time, subjects), _closed(roots**2))


def ridge(courses: Courses, found: Anchor, learned: list[Task], held_out: list[Task], tasks: list[Task]) -> Point:
    """Ridge of the target on the last earlier sample and time, one for next samples and one for later ones.

    The penalty is the one with the least error on `held_out`. A kind that is not learned takes the other's ridge.
    """
    values = np.zeros((len(tasks), courses.counts.shape[1]))
    for kind in (False, True):
        rows = [row for row, task in enumerate(tasks) if task.first == kind]
        if rows:
            own = [[task for task in part if task.first == kind] or part for part in (learned, held_out)]
            values[rows] = _ridge(courses, found, *own, [tasks[row] for row in rows])
    return Point(values, clr_inverse(values))


def _ridge(courses: Courses, found: Anchor, learned: list[Task], held_out: list[Task], tasks: list[Task]) -> np.ndarray:
    inputs = _regressors(courses, found, learned)
    centre, scale = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), anchors.FLAT)
    scale[:-2] = 1.0  # log-ratios stay in one unit
    targets = courses.values[[task.target for task in learned]]
    middle = targets.mean(axis=0)
    inputs = (inputs - centre) / scale
    square, product = inputs.T @ inputs, inputs.T @ (targets - middle)
    truth, known = courses.values[[task.target for task in held_out]], _regressors(courses, found, held_out)
    tried = []
    for penalty in PENALTIES:
        slopes = np.linalg.solve(square + penalty * np.eye(len(square)), product)
        guess = middle + (known - centre) / scale @ slopes
        tried.append((((truth - guess) ** 2).sum(), slopes))
    slopes = min(tried, key=lambda entry: entry[0])[1]
    return middle + (_regressors(courses, found, tasks) - centre) / scale @ slopes


def _regressors(courses: Courses, found: Anchor, tasks: list[Task]) -> np.ndarray:
    """Last earlier sample [P, D] with the time ahead and the time of the target, both warped."""
    ahead, time = np.array([task.ahead for task in tasks]), np.array([task.time for task in tasks])
    clock = np.column_stack([np.log1p(ahead / found.step), anchors.warp(time, found.first, found.step)])
    return np.hstack([persistence(courses, tasks).values, clock])


def _means(courses: Courses, parts: list[np.ndarray]) -> Point:
    values, shares = courses.values, courses.shares
    return Point(
        np.array([values[part].mean(axis=0) for part in parts]), np.array([shares[part].mean(axis=0) for part in parts])
    )


def _closed(amounts: np.ndarray) -> np.ndarray:
    return amounts / amounts.sum(axis=-1, keepdims=True)
