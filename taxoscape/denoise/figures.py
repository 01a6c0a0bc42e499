"""Figure of an error model: for every substitution the observed rates, the fitted line and what qualities promise."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taxoscape.denoise import shards
from taxoscape.figures import save

LIMITS = 1e-5, 2  # one base in 100,000, beyond the best quality's promise, to all of them
OBSERVED, FITTED, PROMISED = "#7f8c8d", "#2c6fa6", "#c0392b"


def draw_errors(model: pd.DataFrame, title: str, path: str | Path) -> None:
    """Draw sixteen panels, from base by row to base by column: errors per base by quality, on one logarithmic scale.

    An empty model (a run of which no read passed the filter) has empty panels.
    """
    figure = Figure(figsize=(9, 8.4), layout="constrained")
    axes = figure.subplots(4, 4, sharex=True, sharey=True)
    for axis, panel in zip(axes.flat, panels(model).items(), strict=True):
        name, curves = panel
        axis.plot(curves["quality"], curves["promised"], color=PROMISED, linewidth=1, label="promised by the quality")
        axis.plot(curves["quality"], curves["observed"], "o", color=OBSERVED, markersize=3, label="observed")
        axis.plot(curves["quality"], curves["fitted"], color=FITTED, linewidth=1.5, label="fitted")
        axis.set(yscale="log", ylim=LIMITS)
        axis.set_title(name.replace("2", " to "), fontsize=9)
        axis.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=11)
    for axis in axes[-1]:
        axis.set_xlabel("quality", fontsize=8)
    for axis in axes[:, 0]:
        axis.set_ylabel("share of bases", fontsize=8)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    save(figure, path)


def panels(model: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Curves of every transition: quality, observed and fitted rate, and the rate that the quality promises.

    A base of quality q is wrong with 10^(-q / 10), which three other bases share. Where no base of a quality was
    seen, nothing was observed.
    """
    frame = model.astype({"quality": int, "observed": int, "rate": float})
    seen = frame.groupby([frame["transition"].str[0], "quality"])["observed"].transform("sum")
    wrong = 10.0 ** (-frame["quality"] / 10)
    same = frame["transition"].str[0] == frame["transition"].str[2]
    frame = frame.assign(
        promised=np.where(same, 1 - wrong, wrong / 3),
        # A logarithm has no place for none observed.
        observed=(frame["observed"] / seen).where(frame["observed"] > 0),
        fitted=frame["rate"],
    )
    columns = ["quality", "observed", "fitted", "promised"]
    return {name: frame.loc[frame["transition"] == name, columns] for name in shards.TRANSITIONS}
