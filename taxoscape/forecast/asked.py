"""What is asked of a forecaster: one subject's past and a time; what the anchor answers, and what the network is shown.

`ask` makes questions of tasks over observed samples, `follow` adds a sample that was drawn (rolled-out forecasts).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from taxoscape.compositions import clr_inverse
from taxoscape.forecast import anchor as anchors
from taxoscape.forecast.anchor import Anchor
from taxoscape.forecast.courses import Courses, Task, conditions
from taxoscape.forecast.denoiser import Context

# Root shares are multiplied by this for the network: most lie below 0.3.
ROOT_SCALE = 3.0


@dataclass(frozen=True)
class Asked:
    """A subject's H earlier samples and the time and fields of the forecast."""

    subject: str
    times: np.ndarray  # [H]
    deviations: np.ndarray  # [H, D] of log-ratios from what the anchor expects of anybody
    roots: np.ndarray  # [H, D] square roots of shares
    root_deviations: np.ndarray  # [H, D] from the population's
    expected: np.ndarray  # [D] log-ratios of anybody at the time and fields
    expected_roots: np.ndarray  # [D]
    time: float
    fields: np.ndarray  # [F]
    missing: np.ndarray  # [F]


@dataclass(frozen=True)
class Conditioned:
    """What the anchor says of P questions: log-ratios and shares [P, D], scale of its error [P]; and the context."""

    mean: np.ndarray
    shares: np.ndarray
    scale: np.ndarray
    context: Context


def ask(
    courses: Courses, found: Anchor, tasks: list[Task], planned: list[str], changes: dict[int, float] | None = None
) -> list[Asked]:
    """Questions of these tasks; `changes`: field -> its encoded value at the time of the forecast, whatever it was."""
    rows = np.unique(np.concatenate([task.history for task in tasks]))
    own = courses.take(rows)
    place = {row: number for number, row in enumerate(rows)}
    deviations = own.values - anchors.expected(found, own.time, own.subjects, own.fields, own.missing)
    roots = np.sqrt(own.shares)
    root_deviations = roots - anchors.population(found, own.time, own.subjects, roots=True)
    known = [conditions(courses, task, planned) for task in tasks]
    fields, missing = (np.array([part[side] for part in known]) for side in (0, 1))
    for field, value in (changes or {}).items():
        fields[:, field], missing[:, field] = value, False
    time, subjects = np.array([task.time for task in tasks]), np.array([task.subject for task in tasks])
    expected = anchors.expected(found, time, subjects, fields, missing)
    expected_roots = anchors.population(found, time, subjects, roots=True)
    questions = []
    for number, task in enumerate(tasks):
        past = [place[row] for row in task.history]
        questions.append(
            Asked(
                subject=task.subject,
                times=own.time[past],
                deviations=deviations[past],
                roots=roots[past],
                root_deviations=root_deviations[past],
                expected=expected[number],
                expected_roots=expected_roots[number],
                time=task.time,
                fields=fields[number],
                missing=missing[number],
            )
        )
    return questions


def follow(asked: Asked, drawn: np.ndarray, then: Asked) -> Asked:
    """The question `then` of the same subject, with the drawn log-ratios [D] at `asked.time` as its latest sample."""
    roots = np.sqrt(clr_inverse(drawn))
    return replace(
        then,
        times=np.append(asked.times, asked.time),
        deviations=np.vstack([asked.deviations, drawn - asked.expected]),
        roots=np.vstack([asked.roots, roots]),
        root_deviations=np.vstack([asked.root_deviations, roots - asked.expected_roots]),
    )


def condition(found: Anchor, questions: list[Asked]) -> Conditioned:
    """Answer of the anchor, and the context of the network, of every question."""
    number, taxa, most = len(questions), len(found.std), max(len(asked.times) for asked in questions)
    mean, roots, scale = np.zeros((number, taxa)), np.zeros((number, taxa)), np.zeros(number)
    history, present = np.zeros((number, most, taxa, 3), dtype=np.float32), np.zeros((number, most), dtype=bool)
    anchored = np.zeros((number, taxa, 4), dtype=np.float32)
    numbers = np.zeros((number, 3), dtype=np.float32)
    centre = found.values.mean(axis=0)
    for row, asked in enumerate(questions):
        weights, variance = anchors.weights(found, asked.times, asked.time)
        forecast = weights @ asked.deviations
        mean[row], scale[row] = asked.expected + forecast, np.sqrt(variance)
        roots[row] = np.maximum(asked.expected_roots + weights @ asked.root_deviations, 0.0)
        length = len(asked.times)
        ago = np.log1p((asked.time - asked.times) / found.step)
        present[row, :length] = True
        history[row, :length, :, 0] = asked.deviations / found.std
        history[row, :length, :, 1] = asked.roots * ROOT_SCALE
        history[row, :length, :, 2] = ago[:, None]
        anchored[row, :, 0] = forecast / found.std
        anchored[row, :, 1] = (asked.expected - centre) / found.std
        anchored[row, :, 2] = roots[row] * ROOT_SCALE
        anchored[row, :, 3] = asked.deviations[np.argmax(asked.times)] / found.std
        numbers[row] = ago.min(), np.log(variance), np.log(length)
    fields = torch.tensor(np.array([asked.fields for asked in questions])).float()
    missing = torch.tensor(np.array([asked.missing for asked in questions]))
    shares = roots**2 / np.maximum((roots**2).sum(axis=1, keepdims=True), np.finfo(float).tiny)
    context = Context(*(torch.tensor(part) for part in (history, present, anchored, numbers)), fields, missing)
    return Conditioned(mean, shares, scale, context)
