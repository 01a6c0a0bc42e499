"""Section about forecasts: errors beside the baselines, whether intervals hold, what-if; or why there are none."""

import json
from pathlib import Path

import pandas as pd

from taxoscape.forecast.baselines import NAMES
from taxoscape.forecast.check import why_not
from taxoscape.forecast.evaluate import METRICS, PASSES
from taxoscape.report.cells import count, interval, percent_interval
from taxoscape.report.parts import Check, Section, Table, Verdict, stored

PLOTS = ["forecast_errors", "forecast_coverage", "what_if"]
HEADLINE = "aitchison"
OWN = "forecast"


def forecasts(files: dict, config: dict) -> Section:
    """Every horizon with its models; where the study has no forecasts, the reason."""
    if not files.get("forecast"):
        return Section("forecast", "Forecasts", f"No forecasts were made: {why_not(config)}.")
    found = json.loads(Path(files["forecast"]).read_text())
    section = Section(
        "forecast",
        "Forecasts",
        f"{count(found['tasks'], 'later sample')} of {count(found['subjects'], 'subject')} were forecast from their "
        "earlier ones, by forecasters that had seen no sample of the subject. Intervals are 95 % bootstrap intervals "
        "over subjects; a difference counts only when its interval leaves out zero.",
        verdicts=[_verdict(found)],
    )
    sizes = [
        f"{name}: {count(entry['tasks'], 'sample')} of {count(entry['subjects'], 'subject')}"
        for name, entry in found["bins"].items()
    ]
    section.facts = [("Judged by", f"{'; '.join(sizes)}.")]
    section.checks = [_covers(name, entry, level) for name, entry in found["bins"].items() for level in PASSES]
    section.links = [("../forecast/course.html", "One subject's landscape in time, observed and forecast")]
    errors, coverage, *what_if = map(stored, files["forecast_plots"], PLOTS)
    section.figures, section.folded = [errors, *what_if], [coverage]
    section.tables = [
        Table(
            f"{name}: models on the same tasks. In the difference, below 0 means that the forecast is better",
            models_table(entry),
            folded=place > 0,
        )
        for place, (name, entry) in enumerate(found["bins"].items())
    ]
    return section


def models_table(entry: dict) -> pd.DataFrame:
    """One row a model: its metrics, and the forecast's headline metric minus its."""
    models = entry["models"]
    keys = [key for key in METRICS if all(key in entries for entries in models.values())]
    rows = []
    for name, entries in models.items():
        gap = entry["differences"].get(name, {}).get(HEADLINE)
        others = [interval(entries[key]) for key in keys if key != HEADLINE]
        rows.append([name, interval(entries[HEADLINE]), interval(gap), _kind(gap), *others])
    others = [METRICS[key] for key in keys if key != HEADLINE]
    return pd.DataFrame(rows, columns=["model", METRICS[HEADLINE], "forecast minus it", "forecast is", *others])


def _kind(gap: dict | None) -> str:
    """Whether the forecast is better, level or worse, by the interval of its difference; lower is better."""
    if gap is None:
        return ""
    return "better" if gap["high"] < 0 else "worse" if gap["low"] > 0 else "level"


def _best(entry: dict) -> str:
    """Best baseline by the headline metric; the forecast's own anchor is none."""
    return min(NAMES, key=lambda name: entry["models"][name][HEADLINE]["value"])


def _verdict(found: dict) -> Verdict:
    """Mark by the horizons at which the forecast beats the best baseline by the Aitchison error."""
    if "too few" in found["verdict"]:
        return Verdict("Forecasts", "forecast", "too few subjects", "open", found["verdict"])
    kinds = [_kind(entry["differences"][_best(entry)][HEADLINE]) for entry in found["bins"].values()]
    won, kind = kinds.count("better"), "worse" if "worse" in kinds else "level"
    mark = f"better than the best baseline at {won} of {count(len(kinds), 'horizon')}"
    said = "; ".join(_said(name, entry) for name, entry in found["bins"].items())
    kind = "better" if won == len(kinds) else kind
    return Verdict("Forecasts", "forecast", mark, kind, found["verdict"], f"{METRICS[HEADLINE]}: {said}.")


def _said(name: str, entry: dict) -> str:
    """How the forecast stands to the best baseline at a horizon: `next sample 3 % below persistence (better)`."""
    best = _best(entry)
    gap = entry["differences"][best][HEADLINE]
    share = gap["value"] / entry["models"][best][HEADLINE]["value"]
    return f"{name} {abs(share):.0%} {'above' if share > 0 else 'below'} {best} ({_kind(gap)})"


def _covers(name: str, entry: dict, level: str) -> Check:
    low, high = PASSES[level]
    held = entry["models"][OWN][level]
    return Check(
        f"{name}: observed inside the {level[-2:]} % intervals",
        percent_interval(held),
        f"{low:.0%} to {high:.0%}",
        low <= held["value"] <= high,
    )
