"""Courses: mean communities over time with intervals, of all training samples and of one category of a field."""

import numpy as np
import pandas as pd

from taxoscape.previews.contrast import COVERAGE, DRAWS, FEWEST, FEWEST_SUBJECTS
from taxoscape.scoring.bootstrap import bootstrap_weights

MOST_STEPS = 12
PER_STEP = 10  # samples of the study that a step needs, on average
MOST_CATEGORIES = 4  # a field with more is left out
STEP = ("when", "samples", "subjects")  # what is said of a step


def mean_courses(
    shares: np.ndarray, values: np.ndarray, members: np.ndarray, design: pd.DataFrame, encoding: dict, seed: int
) -> tuple[list, dict]:
    """Courses (name, steps: when, samples, subjects) and the means of their steps, step after step.

    shares, values [N, D] of training samples in the order of `design`; members [D, K] is 1 where a taxon belongs to a
    clade. Arrays: mean_shares, mean_values [V, D], and the interval of each clade's mean share, clade_low and
    clade_high [V, K]. Steps are quantiles of time, the same for all courses; one with fewer than FEWEST samples is
    left out, and so is a course with fewer than two steps.
    """
    bins, whens = steps(design["time"].to_numpy(dtype=float), encoding)
    courses, taken, subjects = [], [], design["group"].to_numpy().astype(str)
    for name, chosen in _sets(design, encoding):
        parts = [np.flatnonzero(chosen & (bins == step)) for step in range(len(whens))]
        kept = [(when, part) for when, part in zip(whens, parts, strict=True) if len(part) >= FEWEST]
        if len(kept) >= 2:
            found = [(when, len(part), len(set(subjects[part]))) for when, part in kept]
            courses.append({"name": name, "steps": [dict(zip(STEP, entry, strict=True)) for entry in found]})
            taken += [part for _, part in kept]
    clades, (taxa, columns) = shares @ members, members.shape
    spans = [mean_interval(clades[part], subjects[part], seed) for part in taken]
    arrays = {
        "mean_shares": ([shares[part].mean(axis=0) for part in taken], taxa),
        "mean_values": ([values[part].mean(axis=0) for part in taken], taxa),
        "clade_low": ([low for low, _ in spans], columns),
        "clade_high": ([high for _, high in spans], columns),
    }
    return courses, {
        name: np.array(rows, dtype=np.float32).reshape(len(taken), width) for name, (rows, width) in arrays.items()
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


def mean_interval(values: np.ndarray, subjects: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval [K], [K] of the mean of values [n, K], subjects [n] drawn anew (as in `contrast`).

    NaN where there are fewer than FEWEST_SUBJECTS of them.
    """
    names, member = np.unique(subjects, return_inverse=True)
    if len(names) < FEWEST_SUBJECTS:
        return tuple(np.full((2, values.shape[1]), np.nan))
    weights = bootstrap_weights(names, DRAWS, np.random.default_rng(seed))[1:]
    of_subject = (member[None, :] == np.arange(len(names))[:, None]).astype(float)  # [S, n]
    means = (weights @ (of_subject @ values)) / (weights @ of_subject.sum(axis=1))[:, None]
    return tuple(np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0))


def _sets(design: pd.DataFrame, encoding: dict) -> list[tuple[str, np.ndarray]]:
    """Everybody, then each category of each categorical field or target with few of them."""
    found = [("all training samples", np.ones(len(design), dtype=bool))]
    for name, entry in (encoding["targets"] | encoding["fields"]).items():
        categories = entry.get("categories", [])
        if 2 <= len(categories) <= MOST_CATEGORIES:
            words = name.replace("_", " ")
            found += [(f"{words}: {category}", (design[name] == category).to_numpy()) for category in categories]
    return found
