"""What the settings of forecast ask of the study, before any job; and why a study has no forecasts."""

import numpy as np
import pandas as pd

from taxoscape import metadata
from taxoscape.errors import InputError, examples

# Subjects with two time points that a study needs: one to train on, one to stop the training, one to forecast.
FEWEST_SUBJECTS = 3


def why_not(config: dict) -> str | None:
    """Why this config has no forecasts, in words for the report; None where it has."""
    if not config["forecast"]["enabled"]:
        return "forecast.enabled is false"
    if not config["metadata"]["time"]:
        return "metadata.time is not set, so that nothing is known of before and after"
    if not config["metadata"]["group"]:
        return "metadata.group is empty, so that no sample is known to be an earlier one of the same subject"
    return None


def check_options(config: dict) -> None:
    """Raise InputError for settings of section `forecast` that no study can have, or that contradict the metadata."""
    settings, known = config["forecast"], config["metadata"]["fields"]
    if why_not(config):
        return
    if settings["width"] % 4:
        raise InputError(f"forecast.width={settings['width']}: choose a multiple of 4, the number of attention heads")
    bad = [horizon for horizon in settings["horizons"] or [] if horizon <= 0]
    if bad:
        raise InputError(f"forecast.horizons: {bad[0]:g} is no time ahead: give numbers above 0, or null")
    clock = config["metadata"]["time"]["column"]
    for name in settings["interventions"]:
        if name not in known:
            raise InputError(
                f"forecast.interventions: {name!r} is not among metadata.fields ({examples(known, 8) or 'none'}): "
                "declare it there"
            )
        if name == clock:
            raise InputError(f"forecast.interventions: {name!r} is the time itself (metadata.time): remove it")
    for name, pair in settings["what_if"].items():
        if name not in settings["interventions"]:
            raise InputError(f"forecast.what_if: {name!r} is not among forecast.interventions: add it there")
        if not isinstance(pair, list) or len(pair) != 2:
            raise InputError(f"forecast.what_if.{name}={pair!r}: give two values of the field, [without, with]")
        if known[name]["type"] == "continuous" and not all(isinstance(value, int | float) for value in pair):
            raise InputError(f"forecast.what_if.{name}={pair!r}: the field is continuous, give two numbers")


def check_forecast(config: dict, samples: list[str]) -> None:
    """Raise InputError unless enough subjects have two time points, and the values named in the settings occur."""
    check_options(config)
    if why_not(config):
        return
    design, _ = metadata.build_design(config["metadata"], samples)
    times = design.dropna(subset="time").groupby("group")["time"].nunique()
    able = int((times > 1).sum())
    if able < FEWEST_SUBJECTS:
        raise InputError(
            f"forecast: {able} of {design['group'].nunique()} subjects ({' and '.join(config['metadata']['group'])}) "
            f"have two time points in {config['metadata']['time']['column']}, at least {FEWEST_SUBJECTS} are needed: "
            "set forecast.enabled: false"
        )
    settings = config["forecast"]
    if settings["subject"] is not None and str(settings["subject"]) not in times.index:
        raise InputError(
            f"forecast.subject={settings['subject']!r} is no subject of {config['metadata']['file']} "
            f"({examples(times.index)}): name one of these, or null"
        )
    for name, pair in settings["what_if"].items():
        _check_values(design[name], name, pair, config)


def _check_values(column: pd.Series, name: str, pair: list, config: dict) -> None:
    if config["metadata"]["fields"][name]["type"] == "continuous":
        return
    found = np.unique(column.dropna().astype(str))
    lacking = [value for value in pair if str(value) not in found]
    if lacking:
        raise InputError(
            f"forecast.what_if.{name}: {lacking[0]!r} does not occur in {config['metadata']['file']} "
            f"({examples(found, 8)}): name one of these"
        )
