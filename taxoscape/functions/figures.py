"""Figures of the functions: the genera with most reads by channel, and how far the reads are from the references."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taxoscape.figures import save
from taxoscape.taxonomy.lineages import RANKS, UNASSIGNED, named_ranks

GENERA = 25  # rows of the heat map
LIMIT = 2.5  # standard deviations at the ends of the colours
BINS = 40
COLOUR = "#2c6fa6"
MISSING = "#c0392b"
AXES = {
    "identity": "Identity to the nearest reference (share of bases)",
    "nsti": "Distance to the nearest reference (NSTI)",
}


def genus_of(taxon: str) -> str:
    """Name of a lineage at the genus, or else `Family (family)` and so on; `Unassigned` without any."""
    named = named_ranks(taxon)
    if "g" in named:
        return named["g"]
    return next((f"{named[letter]} ({RANKS[letter]})" for letter in "focpk" if letter in named), UNASSIGNED)


def genus_channels(channels: pd.DataFrame, genera: pd.Series, reads: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    """Channel shares [genera, C], means over the reads, and share (0-1) of all reads; most reads first.

    `channels`, `genera` and `reads` are rows of the same taxa.
    """
    total = reads.groupby(genera).sum()
    order = total[total > 0].sort_values(ascending=False, kind="stable").index
    summed = channels.mul(reads, axis=0).groupby(genera).sum().loc[order]
    return summed.div(total[order], axis=0), total[order] / reads.sum()


def draw_channels(means: pd.DataFrame, share: pd.Series, path: str | Path) -> None:
    """Heat map of the most abundant genera x channels, each channel standardised over all genera."""
    spread = means.std(ddof=0).replace(0, 1)
    shown = ((means - means.mean()) / spread).head(GENERA)
    figure = Figure(figsize=(9, 1.9 + 0.26 * max(len(shown), 4)), layout="constrained")
    axis = figure.subplots()
    labels = [f"{name}  {share[name]:.1%}" for name in shown.index]
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    names = [f"{name.replace('_', ' ')}  {means[name].mean():.1%}" for name in means.columns]
    axis.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor", fontsize=8)
    image = axis.imshow(
        shown.to_numpy(), cmap="RdBu_r", vmin=-LIMIT, vmax=LIMIT, aspect="auto", interpolation="nearest"
    )
    figure.colorbar(image, ax=axis, shrink=0.8, label="SD from the mean genus")
    axis.set_title("Gene copies by channel: genera (share of reads) x channels (mean share)", fontsize=10)
    save(figure, path)


def draw_distances(evidence: pd.DataFrame, reads: np.ndarray, path: str | Path) -> None:
    """Histograms of identity and NSTI over the reads [N] of taxa with a profile; where nothing is known, that."""
    own = (evidence["status"] == "ok").to_numpy()
    known = [name for name in AXES if evidence.loc[own, name].notna().any()]
    figure = Figure(figsize=(4.6 * max(len(known), 1), 3.2), layout="constrained")
    axes = figure.subplots(1, max(len(known), 1), squeeze=False)[0]
    for axis, name in zip(axes, known, strict=False):
        values = evidence[name].to_numpy(dtype=float)
        use = own & np.isfinite(values)
        axis.hist(values[use], BINS, weights=reads[use] / reads.sum(), color=COLOUR)
        median = _weighted_median(values[use], reads[use])
        axis.axvline(median, color="black", linestyle="--", linewidth=1)
        axis.set_title(f"median over the reads {median:.3g} (dashed)", fontsize=9)
        axis.set(xlabel=AXES[name], ylabel="Share of all reads")
    if not known:
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "The method tells no distances to references", ha="center", va="center")
    without = reads[~own].sum() / reads.sum()
    colour = MISSING if without > 0.1 else "black"
    figure.suptitle(f"{without:.1%} of the reads are of ASVs without a profile of their own", fontsize=10, color=colour)
    save(figure, path)


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order]) >= weight.sum() / 2
    return float(values[order][reached.argmax()])
