"""Section about forecasts: errors beside the baselines, whether intervals hold, what-if; or why there are none."""

import json
from pathlib import Path

import pandas as pd

from taxoscape.forecast.check import why_not
from taxoscape.forecast.evaluate import METRICS
from taxoscape.report.cells import interval
from taxoscape.report.parts import Section, Table, stored


def forecasts(files: dict, config: dict) -> Section:
    """Every horizon with its models; where the study has no forecasts, the reason."""
    if not files.get("forecast"):
        return Section("forecast", "Forecasts", f"No forecasts were made: {why_not(config)}.")
    found = json.loads(Path(files["forecast"]).read_text())
    section = Section(
        "forecast",
        "Forecasts",
        f"{found['tasks']:,} later samples of {found['subjects']} subjects were forecast from their earlier ones, by "
        "forecasters that had seen no sample of the subject. Intervals are 95 % bootstrap intervals over subjects; a "
        "difference counts only when its interval leaves out zero.",
    )
    section.notes.append(found["verdict"])
    section.links = [("../forecast/course.html", "One subject's landscape in time, observed and forecast")]
    section.figures = [stored(path, caption) for path, caption in files["forecast_plots"].items()]
    for name, entry in found["bins"].items():
        size = f"{entry['tasks']} samples of {entry['subjects']} subjects"
        section.tables += [
            Table(f"{name}: models on the same tasks ({size})", _models(entry["models"])),
            Table(f"{name}: forecast minus the other (below 0 the forecast is better)", _models(entry["differences"])),
        ]
    return section


def _models(models: dict) -> pd.DataFrame:
    keys = [key for key in METRICS if all(key in entries for entries in models.values())]
    rows = [[name, *(interval(entries[key]) for key in keys)] for name, entries in models.items()]
    return pd.DataFrame(rows, columns=["model", *(METRICS[key] for key in keys)])
