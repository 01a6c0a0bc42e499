"""Figures of predicted distributions: means with intervals and the truth, and how well the spread is calibrated."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taxoscape.figures import save
from taxoscape.scoring import distributions as scores
from taxoscape.scoring.comparison import Prediction

OURS = "#2b6a99"
THEIRS = {"mean": "0.6", "ridge": "C1", "quantile_forest": "C2"}
# Levels of the central intervals whose coverage is drawn, and bars of the histogram.
LEVELS = np.linspace(0.05, 0.95, 19)
BARS = 10


def draw_predictions(predictions: pd.DataFrame, title: str, unit: str, path: str | Path) -> None:
    """Draw predictions.tsv against the truth: means with a standard deviation (dark) and the 90 % interval (light)."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    truth, guess = predictions["truth"], predictions["prediction"]
    spans = [(guess - predictions["low90"]).clip(lower=0), (predictions["high90"] - guess).clip(lower=0)]
    axes.errorbar(truth, guess, yerr=spans, fmt="none", ecolor="0.88", linewidth=0.8, zorder=0)
    axes.errorbar(truth, guess, yerr=predictions["sd"], fmt="none", ecolor="#9dbdd4", linewidth=0.8, zorder=1)
    axes.scatter(truth, guess, s=10, c=OURS, linewidths=0, zorder=2)
    edges = [min(truth.min(), guess.min()), max(truth.max(), guess.max())]
    axes.plot(edges, edges, color="0.3", linewidth=1, linestyle="--", zorder=3)
    unit = f" ({unit})" if unit else ""
    axes.set(xlabel=f"observed{unit}", ylabel=f"mean of the draws, out of fold{unit}", title=title)
    save(figure, path, dpi=150)


def draw_calibration(truth: np.ndarray, predictions: Mapping[str, Prediction], title: str, path: str | Path) -> None:
    """Draw the coverage of central intervals against what they promise, and where the truth falls among the draws."""
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, guess in predictions.items():
        if guess.draws is not None:
            found = [scores.inside(truth, guess.draws, level).mean() for level in LEVELS]
            style = (
                {"color": OURS, "linewidth": 2.5, "zorder": 3}
                if name == "diffusion"
                else {"color": THEIRS[name], "linewidth": 1.2}
            )
            left.plot(LEVELS, found, label=name.replace("_", " "), **style)
    left.plot([0, 1], [0, 1], color="0.3", linewidth=1, linestyle="--")
    left.set(xlabel="probability of the interval", ylabel="share of the truths inside", xlim=(0, 1), ylim=(0, 1))
    left.legend(fontsize=8)
    right.hist(
        scores.transform(truth, predictions["diffusion"].draws), np.linspace(0, 1, BARS + 1), color=OURS, rwidth=0.9
    )
    right.axhline(len(truth) / BARS, color="0.3", linewidth=1, linestyle="--")
    right.set(xlabel="share of the draws below the truth", ylabel="samples (even = calibrated)")
    figure.suptitle(title)
    save(figure, path, dpi=150)
