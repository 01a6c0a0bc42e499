"""Diversity within samples, and whether it goes with a field.

Of shares p_i: Shannon = -sum p ln p (nats), Pielou = Shannon / ln richness, Simpson = 1 - sum p^2; Faith's PD is
the length of the tree that a sample's taxa span (taxoscape.unifrac). Reference: skbio.diversity.alpha.

Tests are on ranks: Kruskal-Wallis for categories, Spearman for numbers. They are between samples where each has a
subject of its own, and between the means of subjects where subjects are compared. Within subjects, ranks are centred in
each subject first and p comes from exchanging values there (taxoscape.diversity.compare).
"""

import numpy as np
import pandas as pd
import scipy.stats

from taxoscape.diversity.compare import Comparison, benjamini_hochberg, orders, permutation_p, within_subjects

BLOCK = 1000  # samples in memory at a time
MEASURES = ["richness", "shannon", "pielou", "simpson", "faith_pd"]


def alpha_diversity(counts: np.ndarray, faith_pd: np.ndarray) -> pd.DataFrame:
    """Counts [N, taxa] (samples with reads) and Faith's PD [N] -> one row per sample; Pielou of one taxon is NaN."""
    blocks = range(0, max(len(counts), 1), BLOCK)
    parts = [_measures(counts[start : start + BLOCK], faith_pd[start : start + BLOCK]) for start in blocks]
    return pd.concat(parts, ignore_index=True)


def _measures(counts: np.ndarray, faith_pd: np.ndarray) -> pd.DataFrame:
    share = counts / counts.sum(axis=1, keepdims=True)
    richness = (counts > 0).sum(axis=1)
    logarithm = np.log(share, out=np.zeros_like(share), where=share > 0)
    shannon = np.abs((share * logarithm).sum(axis=1))
    several = richness > 1
    pielou = np.divide(shannon, np.log(richness), out=np.full(len(counts), np.nan), where=several)
    values = [richness, shannon, pielou, 1 - (share**2).sum(axis=1), faith_pd]
    return pd.DataFrame(dict(zip(MEASURES, values, strict=True)))


def alpha_tests(alpha: pd.DataFrame, comparisons: list[Comparison], permutations: int, seed: int) -> pd.DataFrame:
    """Test every measure (rows of `alpha` follow the design) against every field; q over all tests of the table."""
    rows = []
    for comparison in comparisons:
        order = None
        if not comparison.why_not and comparison.permuted == "within subjects":
            order = orders(comparison, permutations, seed)
        for measure in MEASURES:
            found = compare_measure(alpha[measure].to_numpy(dtype=float), comparison, order)
            rows.append({"measure": measure} | comparison.about() | found)
    frame = pd.DataFrame(rows, columns=["measure", *ABOUT, "test", "statistic", "effect", "p", "note"])
    frame["groups"] = frame["groups"].astype("Int64")
    frame.insert(frame.columns.get_loc("note"), "q", benjamini_hochberg(frame["p"]))
    return frame


ABOUT = ["field", "type", "groups", "samples", "subjects", "permuted", "missing", "left_out"]


def compare_measure(measure: np.ndarray, comparison: Comparison, order: np.ndarray | None) -> dict:
    """Test a measure [N] against a field: test, statistic, effect, p, note.

    The effect is Spearman's rho, or the share of the ranks' variance that lies between categories (eta squared).
    """
    name = "Kruskal-Wallis" if comparison.categorical else "Spearman"
    values = measure[comparison.rows]
    if comparison.why_not or not np.isfinite(values).all() or np.ptp(values) == 0:
        why = comparison.why_not or "the measure is the same in all samples, or not defined in some"
        return {"test": name, "statistic": np.nan, "effect": np.nan, "p": np.nan, "note": why}
    if order is not None:
        statistic, effect, p = _within(values, comparison, order)
        note = f"{len(order)} permutations; the field changes within {comparison.varies_in} subjects"
        return {"test": f"{name} within subjects", "statistic": statistic, "effect": effect, "p": p, "note": note}
    note, field = "", comparison.values
    if comparison.permuted == "subjects":
        note = "means of subjects"
        values = pd.Series(values).groupby(comparison.subject).mean().to_numpy()
        field = pd.Series(field).groupby(comparison.subject).first().to_numpy()
    statistic, effect, p = (_kruskal if comparison.categorical else _spearman)(values, field)
    return {"test": name, "statistic": statistic, "effect": effect, "p": p, "note": note}


def _kruskal(values: np.ndarray, field: np.ndarray) -> tuple[float, float, float]:
    statistic, p = scipy.stats.kruskal(*(values[field == level] for level in np.unique(field)))
    return float(statistic), float(statistic) / (len(values) - 1), float(p)


def _spearman(values: np.ndarray, field: np.ndarray) -> tuple[float, float, float]:
    rho, p = scipy.stats.spearmanr(values, field)
    return float(rho), float(rho), float(p)


def _within(values: np.ndarray, comparison: Comparison, order: np.ndarray) -> tuple[float, float, float]:
    """Statistic, effect and p of ranks centred in each subject, values exchanged within subjects by `order` [P, n]."""
    rank = within_subjects(scipy.stats.rankdata(values), comparison.subject)
    total = (rank**2).sum()
    if total == 0:
        return np.nan, np.nan, np.nan
    if not comparison.categorical:
        other = within_subjects(scipy.stats.rankdata(comparison.values), comparison.subject)
        rho = other @ rank / np.sqrt(total * (other**2).sum())
        return rho, rho, permutation_p(abs(other @ rank), np.abs(other[order] @ rank))
    indicator = np.eye(len(comparison.levels))[comparison.values]
    centred = within_subjects(indicator, comparison.subject)
    sums = np.array([rank @ indicator[row] for row in [slice(None), *order]])  # [1 + P, g]
    share = np.einsum("pi,ij,pj->p", sums, np.linalg.pinv(centred.T @ centred), sums) / total
    degrees = len(rank) - 1 - comparison.subject.max()
    return share[0] * degrees, share[0], permutation_p(share[0], share[1:])
