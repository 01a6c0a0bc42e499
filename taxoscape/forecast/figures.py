"""Figures: errors of all models at every horizon, whether intervals hold, what an intervention would change."""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import cm, colors
from matplotlib.figure import Figure

from taxoscape.figures import save
from taxoscape.forecast.evaluate import ANCHOR, ANCHOR_PAST, ERRORS, FURTHER, MODEL, PASSES
from taxoscape.palette import PALETTE
from taxoscape.scoring.distributions import INTERVALS
from taxoscape.scoring.results import METRICS, Results

COLOURS = {
    MODEL: "#c0392b",
    ANCHOR: "#e59866",
    ANCHOR_PAST: "#8e5a3c",
    "persistence": PALETTE[0],
    "subject mean": PALETTE[2],
    "population at that time": "#7f8c8d",
    "ridge AR(1)": PALETTE[3],
}
LISTED = 10  # taxa named in a what-if
SMALLEST = 1e-6  # colour scale of differences, at least


def draw_errors(found: Results, path: str | Path) -> None:
    """A panel a metric: models side by side at every horizon, with 95 % intervals over subjects."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axis, key in zip(figure.subplots(1, len(ERRORS)), ERRORS, strict=True):
        for number, (name, colour) in enumerate(COLOURS.items()):
            entries = [part.models[name][key] for part in found.comparisons]
            place = np.arange(len(entries)) + (number - 3) * 0.11
            values = np.array([[entry[side] for entry in entries] for side in ("value", "low", "high")])
            spread = np.abs(values[1:] - values[0])
            axis.errorbar(place, values[0], spread, fmt="o", color=colour, markersize=5, linewidth=1.4, label=name)
        short = [textwrap.fill(part.name.removeprefix(f"{FURTHER}, "), 9) for part in found.comparisons]
        axis.set_xticks(range(len(short)), short, fontsize=7.5)
        axis.set_xlabel("the next sample, and later ones", fontsize=8)
        axis.set_title(f"{METRICS[key].label}\n(lower is better)", fontsize=10)
        axis.tick_params(axis="y", labelsize=8)
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7, fontsize=8, frameon=False)
    figure.suptitle(
        f"Forecasts of {found.details['subjects']} subjects by forecasters that never saw them, next to the baselines",
        fontsize=11,
    )
    save(figure, path)


def draw_coverage(found: Results, path: str | Path) -> None:
    """Share of observations inside the central intervals compared with what the intervals promise, by horizon."""
    figure = Figure(figsize=(4.8, 5.6), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
    covered = found.details["covered"]
    for (name, shares), place in zip(covered.items(), np.linspace(0.85, 0, len(covered)), strict=True):
        axis.plot([0, *found.details["nominal"], 1], [0, *shares, 1], "o-", color=cm.inferno(place), ms=4, label=name)
    for level, (low, high) in ((INTERVALS[key], ends) for key, ends in PASSES.items()):
        axis.fill_between([level - 0.05, level + 0.05], low, high, color="#aed6f1", linewidth=0, zorder=0)
    axis.set(xlabel="what the interval promises", ylabel="share observed inside", xlim=(0, 1), ylim=(0, 1))
    axis.set_title("Do the intervals hold?\n(on the dashed line: exactly)", fontsize=10)
    figure.legend(loc="outside lower center", fontsize=8, frameon=False)
    save(figure, path)


def draw_what_if(
    found: pd.DataFrame, ahead: float, unit: str, positions: pd.DataFrame, names: pd.Series, path: str | Path
) -> None:
    """A row of panels for each field, at one horizon: the map of taxa, the taxa that change most, the channels.

    found: what `what_if.compare` gives; positions: index taxon, columns row and col; names: taxon -> label.
    """
    chosen = found[(found["ahead"] == ahead) & (found["kind"] == "one step")]
    fields = list(chosen["field"].unique())
    figure = Figure(figsize=(12, 0.5 + 4.8 * len(fields)), layout="constrained")
    axes = figure.subplots(len(fields), 3, width_ratios=[1.1, 1, 1], squeeze=False)
    for row, field in zip(axes, fields, strict=True):
        part = chosen[chosen["field"] == field]
        taxa = part[part["of"] == "taxon"].set_index("name")
        channels = part[part["of"] == "channel"].sort_values("difference")
        _map(figure, row[0], taxa, positions.loc[taxa.index])
        order = taxa["difference"].abs().sort_values(ascending=False, kind="stable").index[:LISTED][::-1]
        _bars(row[1], taxa.loc[order], [names[taxon] for taxon in order], "log-ratio")
        row[1].set_title("Taxa that change most", fontsize=9)
        texts = [name.replace("_", " ") for name in channels["name"]]
        _bars(row[2], channels, texts, "percentage points of the genes")
        first = part.iloc[0]
        row[2].set_title(f"Channels: {field} {first['with']} against {first['without']}", fontsize=9)
    figure.suptitle(
        f"What the forecaster makes of a planned change, {ahead:g} {unit} ahead (what it learned, not what is caused)",
        fontsize=11,
    )
    save(figure, path)


def _map(figure: Figure, axis, taxa: pd.DataFrame, place: pd.DataFrame) -> None:
    limit = max(float(taxa["difference"].abs().max()), SMALLEST)
    sound = ((taxa["low"] > 0) | (taxa["high"] < 0)).to_numpy()
    shade, edges = colors.TwoSlopeNorm(0, -limit, limit), np.where(sound, "black", "#cccccc")
    axis.scatter(
        place["col"], place["row"], s=42, c=taxa["difference"], cmap="PuOr_r", norm=shade, ec=edges, linewidths=0.7
    )
    axis.invert_yaxis()
    axis.set(xticks=[], yticks=[], aspect="equal")
    axis.set_title("Map of taxa (black rim: interval without zero)", fontsize=9)
    figure.colorbar(cm.ScalarMappable(shade, "PuOr_r"), ax=axis, orientation="horizontal", shrink=0.7, aspect=30)


def _bars(axis, rows: pd.DataFrame, labels: list[str], unit: str) -> None:
    values = rows["difference"].to_numpy()
    spread = np.abs(rows[["low", "high"]].to_numpy().T - values)
    axis.barh(range(len(rows)), values, color="#d8b08c", xerr=spread, error_kw={"linewidth": 1})
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(rows)), labels, fontsize=7.5)
    axis.set_xlabel(f"difference ({unit})", fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
