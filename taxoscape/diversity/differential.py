"""Differential abundance: taxa whose abundance goes with a field, by ANCOM-BC of scikit-bio.

ANCOM-BC2 (Lin and Peddada 2024) fits log counts to the field, estimates the bias that unequal sampling fractions
put into all coefficients, takes it away and fits again; ANCOM-BC (Lin and Peddada 2020) corrects the coefficients
alone, takes the errors for normal and finds more, some of it false. Both read counts at one
depth and one read more: with zeros left out ANCOM-BC2 called 24 % of the taxa of shuffled groups at p < 0.05, and
at depths that differ between groups every method takes depth for abundance.

Samples of a subject are no independent witnesses (taxoscape.diversity.compare): where the field is one of subjects
the mean of their samples is compared, and where it changes within subjects one sample of each is drawn.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats
from skbio.stats.composition import ancombc, ancombc2

from taxoscape.diversity.compare import FEWEST, Comparison, benjamini_hochberg, one_per_field
from taxoscape.rarefy import stream
from taxoscape.taxonomy.lineages import RANKS, UNASSIGNED

PSEUDOCOUNT = 1  # reads; the choice of the ANCOM-BC authors
LEVEL = 0.95  # of the intervals
# Fewer taxa do not tell the bias of the sampling fractions from the taxa's own differences.
FEWEST_TAXA = 5
COLUMNS = ["field", "taxon", "contrast", "log2_fold_change", "low", "high", "se", "statistic", "p", "q"]
COLUMNS += ["prevalence", "mean_share"]


@dataclass(frozen=True)
class Options:
    """What is tested, and how."""

    method: str  # ancombc2 | ancombc
    prevalence: float  # share of the units that hold a taxon
    min_group: int  # units of a category


def at_rank(counts: np.ndarray, taxonomy: pd.Series, rank: str) -> tuple[np.ndarray, list[str]]:
    """Sum counts [N, features] of the features that share a lineage down to a rank -> [N, taxa], lineages.

    Features without a name at the rank are summed by what they are named down to; rank `asv` leaves all as they are.
    """
    if rank == "asv":
        return counts, list(taxonomy.index)
    taxonomy = taxonomy.fillna(UNASSIGNED)
    level = list(RANKS.values()).index(rank) + 1
    names = taxonomy.map(lambda taxon: "; ".join(taxon.split("; ")[:level]))
    codes, lineages = pd.factorize(names, sort=True)
    summed = np.zeros((len(lineages), len(counts)), dtype=counts.dtype)
    np.add.at(summed, codes, counts.T)
    return summed.T, list(lineages)


def short_names(taxa: list[str], rank: str) -> dict[str, str]:
    """Lineages -> their last names; with the rank where it is not the one asked for, with the name above where shared.

    ASVs go by the first letters of their id.
    """
    if rank == "asv":
        return {taxon: taxon[:10] for taxon in taxa}
    names = {taxon: _last_name(taxon, rank) for taxon in taxa}
    again = pd.Series(names)[lambda found: found.duplicated(keep=False)].index
    return names | {taxon: f"{names[taxon]}, {_last_name(taxon.rpartition('; ')[0], '')}" for taxon in again}


def _last_name(lineage: str, rank: str) -> str:
    if "__" not in lineage:
        return lineage
    letter, _, name = lineage.split("; ")[-1].partition("__")
    return name if RANKS[letter] == rank or not rank else f"{name} ({RANKS[letter]})"


def witnesses(counts: np.ndarray, comparison: Comparison, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Counts [n, taxa] and values [n] of independent units, and what they are (samples | subjects | one per subject).

    `counts` [N, taxa] are of all samples of the design, at one depth.
    """
    counts, values, subject = counts[comparison.rows], comparison.values, comparison.subject
    if comparison.permuted == "samples":
        return counts, values, "samples"
    _, first = np.unique(subject, return_index=True)
    if comparison.permuted == "subjects":
        pooled = np.zeros((len(first), counts.shape[1]))
        np.add.at(pooled, subject, counts)
        return pooled / np.bincount(subject)[:, None], values[first], "subjects, the mean of their samples"
    generator = np.random.default_rng(stream(seed, f"one sample of each subject: {comparison.field}"))
    shuffled = generator.permutation(len(values))
    _, drawn = np.unique(subject[shuffled], return_index=True)
    drawn = np.sort(shuffled[drawn])
    return counts[drawn], values[drawn], "samples, one drawn of each subject"


def differential(
    counts: np.ndarray,
    taxa: list[str],
    comparisons: list[Comparison],
    options: Options,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every taxon by every field -> effects (q within a field), and per field the units compared or why none were.

    `counts` [N, taxa] follow the rows of the design.
    """
    found, fields = [], []
    for comparison in one_per_field(comparisons):
        why = comparison.why_not
        if not why:
            frame, about, why = compare_taxa(counts, taxa, comparison, options, seed)
            found += [] if why else [frame]
        fields.append(comparison.about() | ({} if comparison.why_not else about) | {"note": why})
    about = ["field", "type", "missing", "left_out", "units", "compared", "taxa", "note"]
    effects = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)
    return effects[COLUMNS], pd.DataFrame(fields, columns=about)


def compare_taxa(counts, taxa, comparison, options, seed) -> tuple[pd.DataFrame, dict, str]:
    """Effects of one field, what was compared, and why nothing was (empty where it was)."""
    counts, values, units = witnesses(counts, comparison, seed)
    if comparison.categorical:  # a draw of samples can leave few of a category
        enough = np.bincount(values, minlength=len(comparison.levels)) >= options.min_group
        counts, values = counts[enough[values]], values[enough[values]]
    present = (counts > 0).mean(axis=0)
    kept = np.flatnonzero((present >= options.prevalence) & (present > 0))
    about = {"units": len(values), "compared": units, "taxa": len(kept)}
    why = ""
    if len(np.unique(values)) < 2:
        why = f"fewer than two values in {len(values)} independent units ({units}), or categories of too few of them"
    elif len(values) < FEWEST + len(comparison.levels):
        why = f"too few independent units: {len(values)} ({units})"
    elif len(kept) < FEWEST_TAXA:
        why = f"{len(kept)} taxa have a prevalence of {options.prevalence:g}: the bias cannot be estimated from them"
    if why:
        return pd.DataFrame(columns=COLUMNS), about, why
    frame = fit(counts[:, kept], values, comparison, options.method)
    place = kept[frame.pop("place")]
    share = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).mean(axis=0)
    frame = frame.assign(taxon=[taxa[index] for index in place], prevalence=present[place], mean_share=share[place])
    return frame.assign(field=comparison.field), about, ""


def fit(counts: np.ndarray, values: np.ndarray, comparison: Comparison, method: str) -> pd.DataFrame:
    """ANCOM-BC of counts [n, taxa]: place of the taxon, contrast, log2 fold change with interval, p, q (BH)."""
    field, contrasts = _contrasts(values, comparison)
    # The bias is estimated to an absolute tolerance, so that effects must not depend on the unit of a number.
    scale = 1.0 if comparison.categorical else float(np.std(field))
    names = [str(place) for place in range(counts.shape[1])]
    table = pd.DataFrame(counts + PSEUDOCOUNT, columns=names, index=[str(row) for row in range(len(counts))])
    metadata = pd.DataFrame({"field": field if comparison.categorical else field / scale}, index=table.index)
    result = (ancombc2 if method == "ancombc2" else ancombc)(table, metadata, "field", p_adjust=None).result
    result = result.reset_index()
    result = result[result["Covariate"] != "Intercept"]
    degrees = len(counts) - 1 - len(contrasts)
    of_error = scipy.stats.t(degrees) if method == "ancombc2" else scipy.stats.norm
    width = of_error.ppf(0.5 + LEVEL / 2)
    change, error = result["Log(FC)"] / np.log(2) / scale, result["SE"] / np.log(2) / scale
    return pd.DataFrame(
        {
            "place": result["FeatureID"].astype(int),
            "contrast": result["Covariate"].map(contrasts),
            "log2_fold_change": change,
            "low": change - width * error,
            "high": change + width * error,
            "se": error,
            "statistic": result["W"],
            "p": result["pvalue"],
            "q": benjamini_hochberg(result["pvalue"]),
        }
    ).reset_index(drop=True)


def _contrasts(values: np.ndarray, comparison: Comparison) -> tuple[pd.Categorical | np.ndarray, dict[str, str]]:
    """Values for the formula, and coefficient -> what it compares; the first category is the reference."""
    if not comparison.categorical:
        return values, {"field": f"per {comparison.unit or 'unit'}"}
    present = np.unique(values)
    codes = np.searchsorted(present, values)
    levels = [str(place) for place in range(len(present))]
    names = [comparison.levels[place] for place in present]
    contrasts = {f"field[T.{place}]": f"{name} against {names[0]}" for place, name in enumerate(names) if place}
    return pd.Categorical.from_codes(codes, levels), contrasts
