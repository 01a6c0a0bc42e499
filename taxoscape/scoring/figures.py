"""Figures of predictions: out-of-fold values with intervals or a confusion matrix, and calibration of distributions."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taxoscape.figures import save
from taxoscape.scoring import distributions
from taxoscape.scoring.comparison import Prediction

OURS = "#2b6a99"
THEIRS = {"mean": "0.6", "ridge": "C1", "quantile_forest": "C2"}
# Levels of the central intervals whose coverage is plotted, and bars of the histogram.
LEVELS = np.linspace(0.05, 0.95, 19)
BARS = 10


def plot_predictions(
    predictions: pd.DataFrame, categories: list[str] | None, title: str, unit: str, path: str | Path
) -> None:
    """Plot predictions.tsv: predicted against true numbers with their intervals, or counts of every pair of classes.

    Light bars are intervals (low to high, or low90 to high90), dark ones standard deviations (sd) where there are any.
    """
    figure = Figure(figsize=(4.8, 4.8), layout="constrained")
    axes = figure.subplots()
    if categories:
        _confusion(axes, predictions, categories)
    else:
        _scatter(axes, predictions, f" ({unit})" if unit else "")
    axes.set_title(title)
    save(figure, path, dpi=150)


def plot_calibration(truth: np.ndarray, predictions: Mapping[str, Prediction], title: str, path: str | Path) -> None:
    """Plot the coverage of central intervals against their probability, and where the truth is among the draws."""
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, guess in predictions.items():
        if guess.draws is not None:
            covered = [distributions.inside(truth, guess.draws, level).mean() for level in LEVELS]
            width = 1.2 if name in THEIRS else 2.5
            style = {"color": THEIRS.get(name, OURS), "linewidth": width, "zorder": width}
            left.plot(LEVELS, covered, label=name.replace("_", " "), **style)
    left.plot([0, 1], [0, 1], color="0.3", linewidth=1, linestyle="--")
    left.set(xlabel="probability of the interval", ylabel="share of the truths inside", xlim=(0, 1), ylim=(0, 1))
    left.legend(fontsize=8)
    ranks = distributions.transform(truth, predictions["diffusion"].draws)
    right.hist(ranks, np.linspace(0, 1, BARS + 1), color=OURS, rwidth=0.9)
    right.axhline(len(truth) / BARS, color="0.3", linewidth=1, linestyle="--")
    right.set(xlabel="share of the draws below the truth", ylabel="samples (even = calibrated)")
    figure.suptitle(title)
    save(figure, path, dpi=150)


def _scatter(axes: Axes, table: pd.DataFrame, unit: str) -> None:
    truth, guess, ends = table["truth"], table["prediction"], table.filter(regex="^(low|high)(90)?$")
    spans = [(guess - ends.iloc[:, 0]).fillna(0).clip(lower=0), (ends.iloc[:, 1] - guess).fillna(0).clip(lower=0)]
    axes.errorbar(truth, guess, yerr=spans, fmt="none", ecolor="0.88", linewidth=0.8, zorder=0)
    if "sd" in table:
        axes.errorbar(truth, guess, yerr=table["sd"], fmt="none", ecolor="#9dbdd4", linewidth=0.8, zorder=1)
    axes.scatter(truth, guess, s=11, c=OURS, alpha=0.8, linewidths=0, zorder=2)
    edges = [min(truth.min(), guess.min()), max(truth.max(), guess.max())]
    axes.plot(edges, edges, color="0.3", linewidth=1, linestyle="--", zorder=3)
    axes.set(xlabel=f"observed{unit}", ylabel=f"predicted, out of fold{unit}")


def _confusion(axes: Axes, predictions: pd.DataFrame, categories: list[str]) -> None:
    counts = pd.crosstab(predictions["truth"], predictions["prediction"]).reindex(
        index=categories, columns=categories, fill_value=0
    )
    values = counts.to_numpy()
    share = values / np.maximum(1, values.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(values.shape):
        color = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, values[row, column], ha="center", va="center", color=color)
    axes.set_xticks(range(len(categories)), categories, rotation=30, ha="right")
    axes.set_yticks(range(len(categories)), categories)
    axes.set(xlabel="predicted, out of fold", ylabel="observed")
