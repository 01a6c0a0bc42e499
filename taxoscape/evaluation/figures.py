"""Figures of the generators: their metrics with intervals, and every taxon real against generated."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from taxoscape.figures import save

# Metric -> (title, what is ideal).
PANELS = {
    "auc": ("Told from real by a classifier\n(AUC, 0.5 = cannot)", 0.5),
    "auc_given_conditions": ("The same, given the conditions\n(AUC, 0.5 = cannot)", 0.5),
    "copying": ("Nearer to a training sample\n(share, 0.5 = no copying)", 0.5),
    "prevalence_correlation": ("Prevalence of taxa\n(correlation, 1 = same)", 1.0),
    "abundance_correlation": ("Mean abundance of taxa\n(correlation of logs, 1 = same)", 1.0),
    "sparsity_difference": ("Share of zeros\n(generated minus real, 0 = same)", 0.0),
    "shannon_ks": ("Shannon diversity\n(KS distance, 0 = same)", 0.0),
    "richness_ks": ("Number of taxa\n(KS distance, 0 = same)", 0.0),
    "energy_distance": ("Whole communities\n(Bray-Curtis energy, 0 = same)", 0.0),
}
COLOURS = {"diffusion": "#c0392b", "copula": "#2c6fa6", "resampling": "#7f8c8d"}
LABELS = {"diffusion": "generated", "copula": "Gaussian copula", "resampling": "resampling"}


def draw_metrics(models: dict[str, dict], n_real: int, path: str | Path) -> None:
    """One panel a metric: a dot and its 95 % interval per generator, dashed line = indistinguishable from real."""
    shown = [key for key in PANELS if any(key in entries for entries in models.values())]
    columns = 3
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(11, 0.6 + 1.75 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    for axis, key in zip(axes.flat, shown, strict=False):
        title, ideal = PANELS[key]
        axis.axvline(ideal, color="black", linestyle="--", linewidth=1)
        for place, (name, entries) in enumerate(models.items()):
            if key in entries:
                entry = entries[key]
                axis.plot([entry["low"], entry["high"]], [place, place], color=COLOURS[name], linewidth=2)
                axis.plot(entry["value"], place, "o", color=COLOURS[name], markersize=7)
        axis.set_yticks(range(len(models)), [LABELS[name] for name in models])
        axis.set_ylim(len(models) - 0.5, -0.5)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.locator_params(axis="x", nbins=5)
    figure.suptitle(f"Generated communities against {n_real} held-out real ones (dashed: no difference)", fontsize=11)
    save(figure, path)


def draw_taxa(real: np.ndarray, generated: np.ndarray, path: str | Path) -> None:
    """Prevalence and mean relative abundance of every taxon, real counts [N, D] against generated [M, D]."""
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
