"""Figures of the attention model: losses, distances of held-out samples, and what predictions depend on."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taxoscape.aam import attribution
from taxoscape.figures import save

BARS = 15  # genera named


def draw_history(history: list[dict[str, float]], path: Path) -> None:
    """Plot every loss of a training run, training and validation, over its rounds."""
    names = [name for name in history[-1] if name.endswith("_loss") and not name.startswith("val_")] if history else []
    figure = Figure(figsize=(3.2 * max(1, len(names)), 3), layout="constrained")
    for axes, name in zip(np.ravel(figure.subplots(1, max(1, len(names)))), names, strict=False):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            points = [(row["round"], row[key]) for row in history if key in row]
            axes.plot(*np.array(points).reshape(-1, 2).T, label=label)
        axes.set(title=name.replace("_", " "), xlabel="round")
        axes.legend(fontsize=7)
    save(figure, path, dpi=150)


def draw_distances(truth: np.ndarray, guess: np.ndarray, path: Path) -> None:
    """Draw predicted against true distances [pairs] of held-out samples."""
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(truth, guess, s=3, c="#2b6a99", alpha=0.4, linewidths=0)
    axes.plot([0, 1], [0, 1], color="0.3", linewidth=1, linestyle="--")
    axes.set(xlabel="UniFrac", ylabel="predicted, held-out samples")
    save(figure, path, dpi=150)


def draw_attribution(
    table: pd.DataFrame, lineages: pd.Series, positions: pd.DataFrame, title: str, unit: str, path: Path
) -> None:
    """Draw what hiding each ASV changes, per output: the taxa on the landscape, and the clades that add up to most.

    `table` is attribution.summarise's; taxa that are not on the landscape are in the bars alone.
    """
    outputs = list(table.columns.drop(["taxon", "samples"]))
    sums = attribution.by_clade(table, lineages, "genus")
    placed = positions.set_index("taxon")[["row", "col"]].astype(float)
    known = table[table["taxon"].isin(placed.index)]
    at = placed.loc[known["taxon"]]
    figure = Figure(figsize=(10, 4.4 * len(outputs)), layout="constrained")
    for (map_axes, bar_axes), output in zip(figure.subplots(len(outputs), 2, squeeze=False), outputs, strict=True):
        name = title if output == "change" else f"{title}: {output}"
        limit = max(float(known[output].abs().max()) if len(known) else 0.0, 1e-12)
        map_axes.scatter(placed["col"], placed["row"], s=6, c="0.9", linewidths=0)
        size = 8 + 150 * known[output].abs() / limit
        dots = map_axes.scatter(
            at["col"], at["row"], s=size, c=known[output], cmap="RdBu_r", vmin=-limit, vmax=limit, ec="0.4", lw=0.3
        )
        figure.colorbar(dots, ax=map_axes, label=f"mean change of the prediction ({unit})", shrink=0.8)
        map_axes.set(title=f"{name}, each ASV on the landscape", xticks=[], yticks=[], aspect="equal")
        map_axes.invert_yaxis()
        largest = sums[output].loc[sums[output].abs().sort_values(ascending=False).index[:BARS]][::-1]
        bar_axes.barh(largest.index, largest, color=np.where(largest > 0, "#b2182b", "#2166ac"))
        bar_axes.axvline(0, color="0.3", linewidth=0.8)
        bar_axes.set(title="genera that change it most", xlabel=f"sum over the genus ({unit})")
    save(figure, path, dpi=110)
