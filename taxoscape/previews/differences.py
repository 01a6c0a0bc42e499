"""Differences: how far two groups of samples lie apart in each taxon, with intervals that respect who gave them.

Samples of one subject resemble each other, so subjects, not samples, are drawn anew (the cluster bootstrap; Davison &
Hinkley 1997, 3.8). Each draw weighs all samples of a subject alike, in both groups.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxoscape.previews.contrast import Contrast, pairs, separation
from taxoscape.scoring.bootstrap import bootstrap_weights

DRAWS = 1000
COVERAGE = 0.95
FEWEST_SUBJECTS = 5  # in each group; fewer give an interval that is far too narrow
MOST = 12  # pairs of groups that are shown


@dataclass(frozen=True)
class Difference:
    """Two groups and the difference of their means [D] (second minus first, in doublings) with its interval."""

    groups: Contrast
    subjects: tuple[int, int]  # in the first and in the second group
    mean: np.ndarray  # [D] log2 units
    low: np.ndarray  # [D]; NaN where there are too few subjects
    high: np.ndarray  # [D]


def strongest_contrasts(values: np.ndarray, design: pd.DataFrame, encoding: dict) -> list[Contrast]:
    """Every pair of groups that fields and targets offer, those first that differ most (contrast.separation)."""
    columns = encoding["targets"] | encoding["fields"]
    found = [pair for name, entry in columns.items() for pair in pairs(design[name], name, entry)]
    return sorted(found, key=lambda pair: -separation(values[pair.first], values[pair.second]))


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
