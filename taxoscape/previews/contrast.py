"""Contrast: which two groups of samples to hold against each other, and which samples to show."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

FEWEST = 3  # samples that a group needs


@dataclass(frozen=True)
class Contrast:
    """Two groups of samples, described in words."""

    first: np.ndarray  # [N] bool
    second: np.ndarray  # [N] bool
    first_name: str
    second_name: str


def largest_contrast(values: np.ndarray, design: pd.DataFrame, encoding: dict) -> Contrast | None:
    """Two groups of a target (of a field where there is no target) that differ most.

    values [N, D] in the order of `design`. A category is held against another one, the lowest third of a number
    against the highest. How much groups differ is the squared distance of their means over the one expected from
    the variance within. None when no column has two groups of FEWEST samples.
    """
    for columns in (encoding["targets"], encoding["fields"]):
        found = [pair for name, entry in columns.items() for pair in pairs(design[name], name, entry)]
        if found:
            return max(found, key=lambda pair: separation(values[pair.first], values[pair.second]))
    return None


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
