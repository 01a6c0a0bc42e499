"""What if: the same subjects, the same noise, one planned field at two values; what the forecaster makes of it.

It shows what the model has learned, not what an intervention does: who was given it was not decided at random.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.compositions import clr_inverse
from taxoscape.errors import InputError, examples
from taxoscape.forecast.courses import Courses
from taxoscape.forecast.models import Forecasters, Options
from taxoscape.forecast.paths import Forecasts, forecast
from taxoscape.previews.paint import full_name
from taxoscape.scoring.bootstrap import bootstrap_weights, interval

COLUMNS = ["kind", "ahead", "of", "name", "difference", "low", "high", "subjects"]


def encoded(courses: Courses, learned: dict, name: str, value: object) -> tuple[int, float]:
    """Place of a field and the code of a value of it; InputError where no training sample has that category."""
    place, field = courses.field_names.index(name), learned["fields"][name]
    if "categories" not in field:
        return place, (float(value) - field["mean"]) / field["std"]
    if str(value) not in field["categories"]:
        raise InputError(
            f"forecast.what_if.{name}: no training sample has {str(value)!r} (they have "
            f"{examples(field['categories'], 8)}): name one of these"
        )
    return place, float(field["categories"].index(str(value)))


def read_channels(path: str | Path, taxa: np.ndarray) -> pd.DataFrame:
    """Functional profiles [D, C] of these taxa, rows that sum to 1 (0 where nothing is known)."""
    return tables.read_tsv(path, "channels").set_index("taxon").loc[taxa].replace("", "0").astype(float)


def labels(lineages: pd.Series, taxa: np.ndarray) -> pd.Series:
    """Name of every taxon for a reader."""
    return lineages.reindex(taxa).fillna("Unassigned").map(full_name)


def compare(
    found: Forecasters,
    courses: Courses,
    learned: dict,
    horizons: list[float],
    options: Options,
    channels: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    """Differences of every field of `forecast.what_if`, in one table."""
    parts = []
    for name, values in options.what_if.items():
        sides = pair(found, courses, learned, horizons, seed, name, values, options.subjects)
        profile = channels.to_numpy(), list(channels)
        part = differences(*sides, courses.taxa, *profile, bootstraps=options.bootstraps, seed=seed)
        for place, (column, value) in enumerate({"field": name, "without": values[0], "with": values[1]}.items()):
            part.insert(place, column, value)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def pair(
    found: Forecasters,
    courses: Courses,
    learned: dict,
    horizons: list[float],
    seed: int,
    name: str,
    values: list,
    most: int | None = None,
) -> tuple[Forecasts, Forecasts]:
    """Forecasts of `most` subjects with a field at the first of two values and at the second, sharing their noise."""
    sides = [dict([encoded(courses, learned, name, value)]) for value in values]
    return tuple(forecast(found, courses, horizons, seed, side, most) for side in sides)


def differences(
    without: Forecasts,
    with_: Forecasts,
    taxa: np.ndarray,
    channels: np.ndarray,
    channel_names: list[str],
    *,
    bootstraps: int,
    seed: int,
) -> pd.DataFrame:
    """Mean difference (with minus without) of every taxon and channel, with 95 % intervals over subjects.

    Taxa in log-ratios; channels (profiles [D, C]) in percentage points of the genes. Each subject's difference is the
    mean over its pairs of draws.
    """
    # Shares sum to 1, so one taxon's profile may be taken off all: where all are alike the difference is exactly 0.
    profile = [clr_inverse(side.drawn) @ (channels - channels[:1]) * 100 for side in (without, with_)]
    per_row = {
        "taxon": (taxa, (with_.drawn - without.drawn).mean(axis=1)),
        "channel": (channel_names, (profile[1] - profile[0]).mean(axis=1)),
    }
    rows = []
    for (kind, ahead), part in without.index.groupby(["kind", "ahead"], sort=True):
        weights = bootstrap_weights(part["subject"].to_numpy(), bootstraps, np.random.default_rng(seed))
        weights = weights / weights.sum(axis=1, keepdims=True)
        for of, (names, values) in per_row.items():
            means = weights @ values[part.index]  # [1 + draws, D]
            for place, name in enumerate(names):
                entry = interval(means[:, place])
                rows.append([kind, ahead, of, name, entry["value"], entry["low"], entry["high"], len(part)])
    return pd.DataFrame(rows, columns=COLUMNS)
