"""What a depth keeps, drawn."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from taxoscape.figures import save


def draw_depths(tradeoff: pd.DataFrame, chosen: dict, path: str | Path) -> None:
    """Shares of the samples and of the reads that each depth keeps, with the depth in use."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axis = figure.subplots()
    for name, label, colour in (("samples", "samples", "#2c6fa6"), ("reads", "reads", "#c0392b")):
        axis.plot(tradeoff["depth"], tradeoff[f"share_of_{name}"] * 100, color=colour, label=label)
    said = "chosen" if chosen["chosen"] else "given"
    axis.axvline(chosen["depth"], color="black", ls="--", lw=1, label=f"{chosen['depth']:,} reads ({said})")
    span = tradeoff["depth"].max() / tradeoff["depth"].min()
    if span > 10:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 100 else (1,)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_ylim(0, 104)
    axis.set_xlabel("depth: reads drawn of every sample")
    axis.set_ylabel("% kept")
    axis.legend(fontsize=8)
    save(figure, path)
