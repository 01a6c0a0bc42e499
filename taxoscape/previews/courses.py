"""Courses: mean communities over time, of all training samples and of those in one category of a field."""

import numpy as np
import pandas as pd

from taxoscape.previews.contrast import FEWEST

MOST_STEPS = 12
PER_STEP = 10  # samples of the study that a step needs, on average
MOST_CATEGORIES = 4  # a field with more is left out


def mean_courses(shares: np.ndarray, values: np.ndarray, design: pd.DataFrame, encoding: dict) -> tuple[list, dict]:
    """Courses (name, steps: when, samples) and the means of their steps: shares and values [V, D], step after step.

    shares, values [N, D] of training samples in the order of `design`. Steps are quantiles of time, the same for all
    courses; one with fewer than FEWEST samples is left out, and so is a course with fewer than two steps.
    """
    bins, whens = steps(design["time"].to_numpy(dtype=float), encoding)
    courses, members = [], []
    for name, chosen in _sets(design, encoding):
        parts = [np.flatnonzero(chosen & (bins == step)) for step in range(len(whens))]
        kept = [(when, part) for when, part in zip(whens, parts, strict=True) if len(part) >= FEWEST]
        if len(kept) >= 2:
            courses.append({"name": name, "steps": [{"when": when, "samples": len(part)} for when, part in kept]})
            members += [part for _, part in kept]
    means = [np.array([array[part].mean(axis=0) for part in members]) for array in (shares, values)]
    return courses, {
        name: mean.reshape(len(members), shares.shape[1]).astype(np.float32)
        for name, mean in zip(("mean_shares", "mean_values"), means, strict=True)
    }


def steps(times: np.ndarray, encoding: dict) -> tuple[np.ndarray, list[str]]:
    """Step of each sample [N] (-1 without a time) and the words for each step: `0 to 1.2 months`."""
    known = times[np.isfinite(times)]
    count = min(MOST_STEPS, len(known) // PER_STEP)
    if count < 2:
        return np.full(len(times), -1), []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)))
    bins = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, max(len(edges) - 2, 0))
    bins[~np.isfinite(times)] = -1
    unit = (encoding["time"] or {}).get("unit") or ""
    parts = [times[bins == step] for step in range(len(edges) - 1)]
    return bins, [f"{part.min():.3g} to {part.max():.3g} {unit}".strip() if len(part) else "" for part in parts]


def _sets(design: pd.DataFrame, encoding: dict) -> list[tuple[str, np.ndarray]]:
    """Everybody, then each category of each categorical field or target with few of them."""
    found = [("all training samples", np.ones(len(design), dtype=bool))]
    for name, entry in (encoding["targets"] | encoding["fields"]).items():
        categories = entry.get("categories", [])
        if 2 <= len(categories) <= MOST_CATEGORIES:
            words = name.replace("_", " ")
            found += [(f"{words}: {category}", (design[name] == category).to_numpy()) for category in categories]
    return found
