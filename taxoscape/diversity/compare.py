"""Which samples a metadata field compares, and which of them may change places when the field means nothing.

Samples of one subject (metadata.group) are alike whatever the field says, so they are no independent witnesses.
A test is fair only if it exchanges what is exchangeable (Anderson and ter Braak 2003):

    no subject has two samples                     -> samples change places           ("samples")
    the field never changes within a subject       -> whole subjects change places    ("subjects")
    it changes in some                             -> both: samples, within their subject ("within subjects"),
                                                      and whole subjects, by their means of a number, or those
                                                      of one category throughout

Left free, samples of few subjects find an effect of anything that differs between subjects. Within subjects their
differences are taken out of both the field and the samples, so that the two tests ask two questions.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.stats

from taxoscape.rarefy import stream

FEWEST = 5  # samples or subjects; fewer can hardly be told from chance


@dataclass(frozen=True)
class Comparison:
    """A field over the n samples in which it is known and comparable."""

    field: str
    unit: str  # of a continuous field; "" where unknown
    rows: np.ndarray  # [n] place of each sample in the design
    values: np.ndarray  # [n] float64 of a continuous field (its subject's mean where subjects change places), or
    # place in `levels` of a categorical one
    levels: list[str]  # categories in alphabetical order; empty for a continuous field
    subject: np.ndarray  # [n] number of each sample's subject
    permuted: str  # samples | subjects | within subjects
    missing: int  # samples in which the field is not known
    left_out: int  # samples of categories that too few share
    varies_in: int  # subjects within which the field changes
    why_not: str  # why nothing can be tested; "" where it can

    @property
    def categorical(self) -> bool:
        """Whether the field is categorical."""
        return bool(self.levels) or self.values.dtype != float

    def about(self) -> dict:
        """What every table of tests says of a comparison."""
        return {
            "field": self.field,
            "type": "categorical" if self.categorical else "continuous",
            "groups": len(self.levels) if self.categorical else None,
            "samples": len(self.rows),
            "subjects": int(self.subject.max(initial=-1)) + 1,
            "permuted": self.permuted,
            "missing": self.missing,
            "left_out": self.left_out,
        }


def comparisons(design: pd.DataFrame, encoding: dict, names: list[str] | None, min_group: int) -> list[Comparison]:
    """Comparisons by the named fields and targets of a design (None = by all of them).

    A field that changes within subjects has two, the one within subjects first. Categories with fewer than
    `min_group` samples (subjects, where subjects change places) are left out.
    """
    known = encoding["targets"] | encoding["fields"]
    names = list(encoding["fields"]) + list(encoding["targets"]) if names is None else names
    found = []
    for name in dict.fromkeys(names):
        comparison = _compare(design[name], design["group"], known[name], min_group)
        found.append(comparison)
        if comparison.permuted == "within subjects":
            column = _of_subjects(design[name], design["group"])
            between = _compare(column, design["group"], known[name], min_group)
            mixed = between.missing - comparison.missing  # samples of subjects with several categories
            found.append(replace(between, missing=comparison.missing, left_out=between.left_out + mixed))
    return found


def one_per_field(found: list[Comparison]) -> list[Comparison]:
    """First comparison of every field, the one that keeps each sample's own value."""
    return list({comparison.field: comparison for comparison in reversed(found)}.values())[::-1]


def first_categorical(found: list[Comparison]) -> Comparison | None:
    """First categorical comparison of samples; None where there is none."""
    return next((comparison for comparison in found if comparison.levels), None)


def orders(comparison: Comparison, permutations: int, seed: int) -> np.ndarray:
    """Permutations [P, n] of a comparison: from which of its samples each one takes its value.

    Every comparison has a random stream of its own (seed, field, what is permuted).
    """
    generator = np.random.default_rng(stream(seed, f"{comparison.permuted}: {comparison.field}"))
    subject, number = comparison.subject, len(comparison.rows)
    if comparison.permuted == "subjects":
        _, first = np.unique(subject, return_index=True)
        return np.array([first[generator.permutation(len(first))][subject] for _ in range(permutations)])
    strata = subject if comparison.permuted == "within subjects" else np.zeros(number, dtype=int)
    found = np.empty((permutations, number), dtype=np.int64)
    place = np.argsort(strata, kind="stable")
    for row in range(permutations):
        found[row, place] = np.lexsort((generator.random(number), strata))
    return found


def permutation_p(observed: float, permuted: np.ndarray) -> float:
    """Share of the statistics [P], the observed one added, that are as large as it; ties may differ by rounding."""
    return float((1 + (permuted >= observed - 1e-9 * abs(observed)).sum()) / (1 + len(permuted)))


def benjamini_hochberg(p: pd.Series) -> pd.Series:
    """q-values of p-values (Benjamini and Hochberg 1995); NaN, where nothing was tested, stays and does not count."""
    known = p.notna()
    q = pd.Series(np.nan, p.index)
    if known.any():
        q[known] = scipy.stats.false_discovery_control(p[known].to_numpy(dtype=float))
    return q


def within_subjects(values: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Values [n, ...] less the mean of their subject."""
    number = np.bincount(subject)
    sums = np.zeros((len(number), *values.shape[1:]))
    np.add.at(sums, subject, values)
    return values - (sums.T / number).T[subject]


def _compare(column: pd.Series, group: pd.Series, kind: dict, min_group: int) -> Comparison:
    known = column.notna()
    continuous = "categories" not in kind
    permuted, varies_in = _permuted(column[known], group[known])
    rare = pd.Series(False, group.index)
    if not continuous:
        unit = group if permuted == "subjects" else pd.Series(group.index, group.index)
        shared = unit[known].groupby(column[known].astype(str)).nunique()
        rare = known & column.map(shared).fillna(0).lt(min_group)
        permuted, varies_in = _permuted(column[known & ~rare], group[known & ~rare])
    rows = np.flatnonzero(known & ~rare)
    levels = [] if continuous else sorted(column.iloc[rows].unique())
    values = column.iloc[rows]
    values = values.to_numpy(dtype=float) if continuous else np.searchsorted(levels, values.astype(str))
    subject = pd.factorize(group.iloc[rows])[0]
    missing, left_out = int((~known).sum()), int(rare.sum())
    why_not = _why_not(values, subject, permuted, varies_in, missing, left_out, min_group)
    unit = (kind.get("unit") or "") if continuous else ""
    return Comparison(
        str(column.name), unit, rows, values, levels, subject, permuted, missing, left_out, varies_in, why_not
    )


def _of_subjects(column: pd.Series, group: pd.Series) -> pd.Series:
    """A field made one of subjects: their means of a number; the category of those that have one throughout."""
    parts = column.groupby(group)
    if column.dtype == float:
        return parts.transform("mean").where(column.notna())
    return column.where(parts.transform("nunique") == 1, None)


def _permuted(column: pd.Series, group: pd.Series) -> tuple[str, int]:
    """What may change places, and within how many groups the column changes."""
    varies = column.groupby(group).nunique() > 1
    if not group.duplicated().any():
        return "samples", 0
    return ("within subjects" if varies.any() else "subjects"), int(varies.sum())


def _why_not(values, subject, permuted, varies_in, missing, left_out, min_group) -> str:
    what = "subjects" if permuted == "subjects" else "samples"
    number = len(set(subject)) if permuted == "subjects" else len(values)
    if len(np.unique(values)) < 2:
        said = f"fewer than two values to compare in {number} {what} ({missing} samples without a value"
        return f"{said}, {left_out} of categories with fewer than {min_group})" if left_out else f"{said})"
    if number < FEWEST:
        return f"only {number} {what} have a value (at least {FEWEST} are needed)"
    if permuted == "within subjects":
        movable = np.isin(subject, _varying(values, subject)).sum()
        if movable < FEWEST:
            return f"the field changes within {varies_in} subjects only, which have {movable} samples"
    return ""


def _varying(values: np.ndarray, subject: np.ndarray) -> np.ndarray:
    several = pd.Series(values).groupby(subject).nunique() > 1
    return several.index[several].to_numpy()
