"""Animation: one subject's landscape in time, observed beside what was forecast from the samples before.

Frames run over the observed times (each forecast by what came before it) and then over the horizons.
"""

import json
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd

from taxoscape.compositions import clr_inverse
from taxoscape.forecast import models
from taxoscape.forecast.asked import ask, condition
from taxoscape.forecast.courses import Courses, tasks
from taxoscape.forecast.models import EVALUATED, Forecasters, noise_of
from taxoscape.forecast.paths import one_step
from taxoscape.previews.paint import full_name

# Taxa whose shares are drawn as courses.
FOLLOWED = 6
# Ends of the interval that is drawn.
ENDS = (0.05, 0.95)


def subject_of(courses: Courses, wanted: str | None) -> str:
    """The subject that the config names, or the one with most samples."""
    if wanted is not None:
        return str(wanted)
    names, numbers = np.unique(courses.subjects, return_counts=True)
    return str(names[numbers.argmax()])


def frames(found: Forecasters, courses: Courses, subject: str, horizons: list[float], seed: int) -> list[dict]:
    """Frames in time: time, observed shares [D] or None, forecast shares [D] or None with ends of their interval."""
    rows = courses.of(subject)
    model = found.folds[int(courses.fold[rows[0]])]
    options, anchor = model.options, model.anchor
    shown = []
    for time in np.unique(courses.time[rows]):
        observed = courses.shares[rows[courses.time[rows] == time]].mean(axis=0)
        shown.append({"time": float(time), "observed": observed, "forecast": None, "low": None, "high": None})
    next_ones = {task.time: task for task in tasks(courses, np.array([subject])) if task.first}
    asked = list(next_ones.values())
    if asked:
        conditioned = condition(anchor, ask(courses, anchor, asked, options.interventions))
        noise = [noise_of(seed, EVALUATED, subject, task.time, options.draws, len(anchor.std)) for task in asked]
        drawn = models.draw(model, conditioned, np.array(noise), np.ones(len(asked), dtype=bool))
        known = {frame["time"]: frame for frame in shown}
        _, shares = models.point(model, conditioned, drawn)
        for task, point, draws in zip(asked, shares, drawn, strict=True):
            known[task.time] |= _forecast(point, draws)
    drawn, _, shares = one_step(model, courses, subject, horizons, seed)
    last = shown[-1]["time"]
    for horizon, point, draws in zip(horizons, shares, drawn, strict=True):
        shown.append({"time": last + horizon, "observed": None} | _forecast(point, draws))
    return shown


def labels(lineages: pd.Series) -> list[str]:
    """Name of every taxon for a reader."""
    return list(lineages.fillna("Unassigned").map(full_name))


def page(
    template: str | Path,
    shown: list[dict],
    positions: pd.DataFrame,
    labels: list[str],
    colours: list[str],
    clades: dict[str, str],
    *,
    subject: str,
    unit: str,
) -> str:
    """The page: positions (index taxon, row, col), labels and colours [D], clade -> colour."""
    mean = np.mean([frame["observed"] for frame in shown if frame["observed"] is not None], axis=0)
    data = {
        "row": positions["row"].astype(int).tolist(),
        "col": positions["col"].astype(int).tolist(),
        "colour": colours,
        "label": labels,
        "followed": np.argsort(-mean, kind="stable")[:FOLLOWED].tolist(),
        "unit": unit,
        "frames": [
            {key: None if value is None else np.round(value, 5).tolist() for key, value in frame.items()}
            for frame in shown
        ],
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    # In a script of the page "</" would end it, and "<!--<script>" would keep it from ending.
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return environment.from_string(Path(template).read_text()).render(subject=subject, clades=clades, data=text)


def _forecast(point: np.ndarray, drawn: np.ndarray) -> dict:
    low, high = np.quantile(clr_inverse(drawn), ENDS, axis=0)
    return {"forecast": point, "low": low, "high": high}
