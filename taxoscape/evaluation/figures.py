"""Figures of the generators: their metrics with intervals, and every taxon in real and in generated samples."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from taxoscape.figures import save
from taxoscape.scoring.results import METRICS, Comparison

COLOURS = {"diffusion": "#c0392b", "copula": "#2c6fa6", "resampling": "#7f8c8d", "other_real": "#27ae60"}
LABELS = {
    "diffusion": "generated",
    "copula": "Gaussian copula",
    "resampling": "resampling",
    "other_real": "other real samples",
}
WIDTH = 34  # letters of a line of a panel's title


def plot_metrics(main: Comparison, path: str | Path) -> None:
    """One panel a metric: a dot and its 95 % interval per generator, dashed line = the best value."""
    displayed = [key for key in METRICS if any(key in entries for entries in main.models.values())]
    columns = 3
    rows = -(-len(displayed) // columns)
    figure = Figure(figsize=(11, 0.6 + 1.75 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis in axes.flat[len(displayed) :]:
        axis.set_axis_off()
    for axis, key in zip(axes.flat, displayed, strict=False):
        axis.axvline(METRICS[key].ideal, color="black", linestyle="--", linewidth=1)
        for place, (name, entries) in enumerate(main.models.items()):
            if key in entries:
                entry = entries[key]
                axis.plot([entry["low"], entry["high"]], [place, place], color=COLOURS[name], linewidth=2)
                axis.plot(entry["value"], place, "o", color=COLOURS[name], markersize=7)
        axis.set_yticks(range(len(main.models)), [LABELS[name] for name in main.models])
        axis.set_ylim(len(main.models) - 0.5, -0.5)
        axis.set_title(textwrap.fill(METRICS[key].label, WIDTH), fontsize=9)
        axis.tick_params(labelsize=8)
        axis.locator_params(axis="x", nbins=5)
    title = f"Generated communities compared with {main.n} held-out real ones (dashed: the best value)"
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def plot_taxa(real: np.ndarray, generated: np.ndarray, path: str | Path) -> None:
    """Prevalence and mean relative abundance of every taxon in real counts [N, D] and in generated ones [M, D]."""
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    present = [(counts > 0).mean(axis=0) for counts in (real, generated)]
    mean = [counts.mean(axis=0) / counts.sum(axis=1).mean() for counts in (real, generated)]
    smallest = 1 / (max(len(real), len(generated)) * real.sum(axis=1).mean())
    mean = [np.maximum(share, smallest) for share in mean]
    _scatter(left, *present, "Prevalence (share of samples that hold the taxon)", "linear")
    _scatter(right, *mean, "Mean relative abundance", "log")
    figure.suptitle("One dot per taxon: on the line, generated samples are like held-out real ones", fontsize=11)
    save(figure, path)


def _scatter(axis, real: np.ndarray, generated: np.ndarray, title: str, scale: str) -> None:
    ends = [min(real.min(), generated.min()), max(real.max(), generated.max())]
    axis.plot(ends, ends, color="black", linestyle="--", linewidth=1)
    axis.scatter(real, generated, s=14, color=COLOURS["diffusion"], alpha=0.6, linewidths=0)
    axis.set(title=title, xlabel="held-out real samples", ylabel="generated samples", xscale=scale, yscale=scale)
