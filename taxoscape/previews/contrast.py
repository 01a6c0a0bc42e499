"""Contrast: two groups of samples compared with each other, how far apart they are in each taxon, and samples to show.

Samples of one subject resemble each other, so intervals draw subjects, not samples, anew (the cluster bootstrap;
Davison & Hinkley 1997, 3.8). Each draw weights all samples of a subject alike, in both groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from taxoscape.scoring.bootstrap import bootstrap_weights

FEWEST = 3  # samples that a group needs
DRAWS = 1000
COVERAGE = 0.95
FEWEST_SUBJECTS = 5  # in each group; fewer give an interval that is far too narrow
MOST = 12  # pairs of groups that are shown


@dataclass(frozen=True)
class Contrast:
    """Two groups of samples, described in words."""

    first: np.ndarray  # [N] bool
    second: np.ndarray  # [N] bool
    first_name: str
    second_name: str


def strongest_contrasts(values: np.ndarray, design: pd.DataFrame, columns: dict) -> list[Contrast]:
    """Every pair of groups that columns (name -> encoding) offer, those that differ most (`separation`) first.

    values [N, D] in the order of `design`. A category is compared with another one, the lowest third of a number with
    the highest.
    """
    found = [pair for name, entry in columns.items() for pair in pairs(design[name], name, entry)]
    return sorted(found, key=lambda pair: -separation(values[pair.first], values[pair.second]))


def largest_contrast(values: np.ndarray, design: pd.DataFrame, encoding: dict) -> Contrast | None:
    """Two groups of a target (of a field where no target has any) that differ most; None without groups of FEWEST."""
    kinds = (encoding["targets"], encoding["fields"])
    return next((found[0] for columns in kinds if (found := strongest_contrasts(values, design, columns))), None)


def pairs(column: pd.Series, name: str, entry: dict) -> Iterator[Contrast]:
    """Pairs of groups that one column offers; `entry` is its encoding."""
    words = name.replace("_", " ")
    if "categories" in entry:
        groups = {str(category): (column == category).to_numpy() for category in entry["categories"]}
        groups = {category: chosen for category, chosen in groups.items() if chosen.sum() >= FEWEST}
        for first, second in combinations(groups, 2):
            yield Contrast(groups[first], groups[second], f"{words} {first}", f"{words} {second}")
        return
    number = column.to_numpy(dtype=float)
    if np.isfinite(number).sum() < 2 * FEWEST:
        return
    low, high = np.nanquantile(number, [1 / 3, 2 / 3])
    unit = f" {entry['unit']}" if entry.get("unit") else ""
    first, second = number <= low, number >= high
    if low < high and min(first.sum(), second.sum()) >= FEWEST:
        yield Contrast(first, second, f"{words} {low:.3g}{unit} or less", f"{words} {high:.3g}{unit} or more")


def separation(first: np.ndarray, second: np.ndarray) -> float:
    """Squared distance between the means of two groups [n, D], in units of what chance within them would give."""
    chance = first.var(axis=0, ddof=1).sum() / len(first) + second.var(axis=0, ddof=1).sum() / len(second)
    squared = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    return float(squared / chance) if chance > 0 else 0.0


@dataclass(frozen=True)
class Difference:
    """Two groups and the difference of their means [D] (second minus first, in doublings) with its interval."""

    groups: Contrast
    subjects: tuple[int, int]  # in the first and in the second group
    mean: np.ndarray  # [D] log2 units
    low: np.ndarray  # [D]; NaN where there are too few subjects
    high: np.ndarray  # [D]


def difference(values: np.ndarray, groups: Contrast, subjects: np.ndarray, seed: int) -> Difference:
    """Difference of the means of two groups with a percentile interval over subjects.

    values [N, D] in natural-log units (clr); subjects [N] names. The interval is NaN where a group has fewer than
    FEWEST_SUBJECTS; draws in which a group is left without a sample do not count.
    """
    names, member = np.unique(subjects.astype(str), return_inverse=True)
    weights = bootstrap_weights(names, DRAWS, np.random.default_rng(seed))[1:]
    sums, counts, sizes = [], [], []
    for chosen in (groups.first, groups.second):
        of_subject = (member[chosen][None, :] == np.arange(len(names))[:, None]).astype(float)  # [S, n]
        sums.append(of_subject @ values[chosen])
        counts.append(of_subject.sum(axis=1))
        sizes.append(int((counts[-1] > 0).sum()))
    drawn = [weights @ count for count in counts]
    kept = (drawn[0] > 0) & (drawn[1] > 0)
    means = [(weights[kept] @ total) / count[kept, None] for total, count in zip(sums, drawn, strict=True)]
    low, high = np.quantile(means[1] - means[0], [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0)
    if min(sizes) < FEWEST_SUBJECTS:
        low, high = np.full((2, values.shape[1]), np.nan)
    mean = values[groups.second].mean(axis=0) - values[groups.first].mean(axis=0)
    return Difference(groups, tuple(sizes), *(array / np.log(2) for array in (mean, low, high)))


def shown_samples(design: pd.DataFrame, encoding: dict, most: int) -> tuple[np.ndarray, list[str]]:
    """Positions of `most` samples, evenly spaced along the first target (or field), and what to write beside each.

    Samples where it is missing are not shown unless it is missing for all.
    """
    columns = encoding["targets"] or encoding["fields"]
    name = next((name for name in columns if design[name].notna().any()), None)
    if name is None:
        places = np.arange(len(design))
        return places[spaced(len(places), most)], [""] * min(most, len(places))
    known = design.reset_index(drop=True)[name].dropna().sort_values(kind="stable")
    chosen = known.iloc[spaced(len(known), most)]
    unit = f" {columns[name].get('unit') or ''}".rstrip()
    texts = [f"{value:.4g}{unit}" if isinstance(value, float) else str(value) for value in chosen]
    return chosen.index.to_numpy(), [f"{name.replace('_', ' ')} {text}" for text in texts]


def spaced(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` positions, evenly spaced, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
