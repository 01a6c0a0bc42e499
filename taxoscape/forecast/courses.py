"""Courses: the samples of each subject in time, and the tasks they hold: these earlier samples, that later one.

A task knows nothing of the subject at or after its target but the fields that were planned (`forecast.interventions`)
and the time itself; all other fields are those of the last earlier sample.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from taxoscape import metadata
from taxoscape.compositions import clr
from taxoscape.learning.communities import Study, read_study
from taxoscape.tables import read_tsv

# Added to every count before the logarithm: half a read.
PSEUDOCOUNT = 0.5


@dataclass(frozen=True)
class Courses:
    """Samples [N] that have a time and reads, by subject and time; fields [F] are encoded, `missing` flags them."""

    names: np.ndarray
    taxa: np.ndarray
    subjects: np.ndarray
    time: np.ndarray
    counts: np.ndarray  # [N, D]
    fields: np.ndarray  # [N, F]
    missing: np.ndarray  # [N, F]
    fold: np.ndarray  # [N]
    split: np.ndarray  # [N]
    depth: int
    field_names: list[str]
    categories: list[int]  # per field: number of categories, 0 = continuous
    clock: int | None  # the field that is the time itself
    clock_scale: tuple[float, float]  # its mean and standard deviation

    @property
    def values(self) -> np.ndarray:
        """Centred log-ratios [N, D] of the counts with half a read added."""
        return log_ratios(self.counts)

    @property
    def shares(self) -> np.ndarray:
        """Relative abundances [N, D]."""
        return self.counts / self.counts.sum(axis=1, keepdims=True)

    def take(self, rows: np.ndarray) -> "Courses":
        """Samples at these rows (indices or flags)."""
        per_sample = ("names", "subjects", "time", "counts", "fields", "missing", "fold", "split")
        return replace(self, **{name: getattr(self, name)[rows] for name in per_sample})

    def of(self, subject: str) -> np.ndarray:
        """Rows of a subject, in time."""
        return self._rows[subject]

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        return rows_of(self.subjects)

    def longest(self, most: int | None) -> np.ndarray:
        """Subjects with most samples, at most so many, by name."""
        names = np.unique(self.subjects)
        samples = np.array([len(self.of(name)) for name in names])
        return np.sort(names[np.argsort(-samples, kind="stable")[:most]])


@dataclass(frozen=True)
class Task:
    """Forecast the community at `time` from the samples `history` (rows of one subject, all at least `ahead` older).

    `target` is the row of what was observed, -1 in the future. `first`: no sample lies between history and target.
    """

    subject: str
    history: np.ndarray
    target: int
    time: float
    ahead: float
    first: bool


def rows_of(subjects: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of every subject, subjects by name, in the order in which they stand."""
    names, person = np.unique(subjects, return_inverse=True)
    parts = np.split(np.argsort(person, kind="stable"), np.cumsum(np.bincount(person))[:-1])
    return dict(zip(names.tolist(), parts, strict=True))


def log_ratios(counts: np.ndarray) -> np.ndarray:
    """Centred log-ratios [..., D] of counts [..., D] with half a read added."""
    return clr(counts + PSEUDOCOUNT)


def read_courses(
    composition: str | Path, design: str | Path, encoding: str | Path, splits: str | Path, time_column: str
) -> Courses:
    """Read the study and keep its samples with a time and reads, ordered by subject, time and name."""
    study = read_study(composition, design, encoding, splits)
    frame = metadata.read_design(design).loc[study.names]
    fold = read_tsv(splits, "splits").set_index("sample")["fold"].astype(int)[study.names].to_numpy()
    time = frame["time"].to_numpy(dtype=float)
    kept = np.flatnonzero(np.isfinite(time) & (study.samples.counts.sum(axis=1) > 0))
    order = kept[np.lexsort((study.names[kept], time[kept], study.groups[kept]))]
    return _courses(study, time, fold, time_column, json.loads(Path(encoding).read_text())).take(order)


def tasks(courses: Courses, subjects: np.ndarray) -> list[Task]:
    """Every task of these subjects: from every time with a later one, to every later sample."""
    found = []
    for subject in subjects:
        rows = courses.of(subject)
        times = courses.time[rows]
        distinct = np.unique(times)
        for start in distinct[:-1]:
            history, later = rows[times <= start], rows[times > start]
            following = distinct[distinct > start][0]
            for row in later:
                time = float(courses.time[row])
                found.append(Task(str(subject), history, int(row), time, time - float(start), time == following))
    return found


def future(courses: Courses, subject: str, horizon: float) -> Task:
    """The task `horizon` after the last sample of a subject."""
    rows = courses.of(subject)
    last = float(courses.time[rows[-1]])
    return Task(str(subject), rows, -1, last + horizon, horizon, True)


def conditions(courses: Courses, task: Task, planned: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Fields [F] and missing flags [F] that a forecast may know: see the head of this module."""
    last = task.history[np.argmax(courses.time[task.history])]
    fields, missing = courses.fields[last].copy(), courses.missing[last].copy()
    for place, name in enumerate(courses.field_names):
        if name in planned and task.target >= 0:
            fields[place], missing[place] = courses.fields[task.target, place], courses.missing[task.target, place]
    if courses.clock is not None:
        mean, std = courses.clock_scale
        fields[courses.clock], missing[courses.clock] = (task.time - mean) / std, False
    return fields, missing


def typical_step(courses: Courses, subjects: np.ndarray) -> float:
    """Median time between neighbouring samples of these subjects (1 where there are none)."""
    steps = [np.diff(np.unique(courses.time[courses.of(subject)])) for subject in subjects]
    steps = np.concatenate([*steps, np.zeros(0)])
    return float(np.median(steps)) if len(steps) else 1.0


def _courses(study: Study, time: np.ndarray, fold: np.ndarray, time_column: str, learned: dict) -> Courses:
    names = list(study.conditions)
    clock = names.index(time_column) if time_column in names else None
    entry = learned["fields"][time_column] if clock is not None else {"mean": 0.0, "std": 1.0}
    return Courses(
        names=study.names,
        taxa=study.taxa,
        subjects=study.groups,
        time=time,
        counts=study.samples.counts,
        fields=study.samples.values,
        missing=study.samples.missing,
        fold=fold,
        split=study.split,
        depth=study.depth,
        field_names=names,
        categories=study.categories,
        clock=clock,
        clock_scale=(entry.get("mean", 0.0), entry.get("std", 1.0)),
    )
