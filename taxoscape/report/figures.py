"""Figures that the report draws itself, each readable without the code."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taxoscape.palette import OTHER, UNASSIGNED, Clades

STEPS = {
    "input": "read pairs in",
    "filtered": "passed the filter",
    "denoised_forward": "denoised (forward)",
    "denoised_reverse": "denoised (reverse)",
    "merged": "mates merged",
    "nonchimeric": "not chimeric",
}


def read_tracking(track: pd.DataFrame) -> Figure:
    """Share of each sample's read pairs that is left after every step of denoising."""
    shares = track[list(STEPS)].div(track["input"].where(track["input"] > 0), axis=0) * 100
    figure = Figure(figsize=(8, 3.2))
    ax = figure.subplots()
    ax.plot(range(len(STEPS)), shares.T.to_numpy(), color="0.7", lw=0.7)
    ax.plot(range(len(STEPS)), shares.median(), color="C0", lw=2.5, marker="o", label="median sample")
    ax.set_xticks(range(len(STEPS)), [name.replace(" ", "\n") for name in STEPS.values()], fontsize=8)
    ax.set_ylabel("% of the sample's\nread pairs")
    ax.set_ylim(0, 104)
    ax.legend()
    figure.tight_layout()
    return figure


def phylum_bars(shares: pd.DataFrame, clades: Clades) -> Figure:
    """Stacked bars of phyla [samples, phyla] in the colours of the study; samples ordered by the first phylum."""
    colours = clades.colours["phylum"] | {"other": OTHER, "unassigned": UNASSIGNED}
    order = shares.sort_values(shares.columns[0], ascending=False).index
    figure = Figure(figsize=(9, 3.2))
    ax = figure.subplots()
    edges, bottom = np.arange(len(order) + 1) - 0.5, np.zeros(len(order))
    for phylum in shares.columns:
        top = bottom + shares.loc[order, phylum].to_numpy() * 100
        # One outline for all samples: a bar each would be 150,000 of 15,000 samples.
        ax.stairs(top, edges, baseline=bottom, fill=True, label=phylum, color=colours[phylum])
        bottom = top
    ax.set_xlim(-0.5, len(order) - 0.5)
    ax.set_xticks([])
    ax.set_xlabel(f"{len(order)} samples, ordered by {shares.columns[0]}")
    ax.set_ylabel("% of reads")
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    return figure


def model_intervals(values: pd.DataFrame, own: str, label: str) -> Figure:
    """Dots with intervals, one row a model: columns value, low, high; index the model names, `own` in red."""
    figure = Figure(figsize=(7, 0.5 + 0.42 * len(values)))
    ax = figure.subplots()
    for row, (name, entry) in enumerate(values[::-1].iterrows()):
        colour = "firebrick" if name == own else "0.35"
        ax.plot([entry["low"], entry["high"]], [row, row], color=colour, lw=2)
        ax.plot(entry["value"], row, "o", color=colour)
    ax.set_yticks(range(len(values)), values.index[::-1])
    ax.set_xlabel(label)
    ax.margins(y=0.15)
    figure.tight_layout()
    return figure
