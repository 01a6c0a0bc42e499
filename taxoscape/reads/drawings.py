"""Figures of the page on the reads: all samples at a glance, and one sample in full. PNG bytes, the same each time."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taxoscape.figures import png

COLOURS = {"forward": "#2c6fa6", "reverse": "#c0392b"}
BASES = {"A": "#27ae60", "C": "#2c6fa6", "G": "#e1a32b", "T": "#c0392b", "N": "#7f8c8d"}
ADAPTER_LINES = ("-", "--", ":")


def draw_overview(contents: list[dict], frame: pd.DataFrame) -> bytes:
    """Reads of every sample, and the mean quality at every cycle as one line of colour a sample and direction."""
    ways = list(dict.fromkeys(frame["direction"]))
    samples = list(dict.fromkeys(frame["sample"]))
    figure = Figure(figsize=(13, min(12.0, 2.2 + 0.16 * len(samples))), layout="constrained")
    axes = figure.subplots(1, 1 + len(ways), width_ratios=[1] + [2] * len(ways), squeeze=False)[0]
    forward = frame[frame["direction"] == "forward"]
    axes[0].barh(range(len(samples)), forward["reads"], color="#b4c4cd", height=0.9)
    axes[0].set(xlabel="reads" if len(ways) == 1 else "read pairs", ylim=(len(samples) - 0.5, -0.5))
    named = len(samples) <= 60
    axes[0].set_yticks(range(len(samples)) if named else [], samples if named else [], fontsize=6)
    place = {sample: row for row, sample in enumerate(samples)}
    for axis, way in zip(axes[1:], ways, strict=True):
        of_way = [one for one in contents if one["direction"] == way]
        image = np.full((len(samples), max(len(one["by_cycle"]["quality"]["mean"]) for one in of_way)), np.nan)
        for one in of_way:
            means = one["by_cycle"]["quality"]["mean"]
            image[place[one["sample"]], : len(means)] = means
        shown = axis.imshow(image, aspect="auto", vmin=10, vmax=40, cmap="viridis", interpolation="nearest")
        axis.set(title=f"mean quality, {way} reads", xlabel="cycle", yticks=[])
    figure.colorbar(shown, ax=axes[-1], label="Phred")
    return png(figure, 90)


def draw_sample(ways: dict[str, dict]) -> bytes:
    """Everything counted of a sample's files ({direction: content.summary})."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplots(3, 3)
    for column, way in enumerate(COLOURS):
        if way in ways:
            _quality(axes[0, column], ways[way]["by_cycle"]["quality"], way)
            _bases(axes[1, column], ways[way]["by_cycle"]["bases"], way)
        else:
            axes[0, column].set_axis_off()
            axes[1, column].set_axis_off()
    _lines(axes[0, 2], ways, "read_quality", "mean quality of the read (Phred)")
    _lines(axes[1, 2], ways, "gc", "G and C in the read (%)")
    _lengths(axes[2, 0], ways)
    _adapters(axes[2, 1], ways)
    _repeats(axes[2, 2], ways)
    return png(figure, 70)


def _quality(axis: Axes, quality: dict, way: str) -> None:
    cycle = np.arange(1, len(quality["q50"]) + 1)
    axis.fill_between(cycle, quality["q10"], quality["q90"], color="#dfe6ea", linewidth=0, label="10-90 % of the reads")
    axis.fill_between(cycle, quality["q25"], quality["q75"], color="#b4c4cd", linewidth=0, label="25-75 %")
    axis.plot(cycle, quality["q50"], color="#34495e", label="median")
    axis.plot(cycle, quality["mean"], color=COLOURS[way], linewidth=1, label="mean")
    axis.set(title=f"quality, {way} reads", xlabel="cycle", ylabel="Phred", ylim=(0, 42))
    axis.legend(fontsize=7, loc="lower left")


def _bases(axis: Axes, bases: dict, way: str) -> None:
    shares = [100 * np.asarray(bases[letter]) for letter in BASES]
    cycle = np.arange(1, len(shares[0]) + 1)
    axis.stackplot(cycle, shares, colors=list(BASES.values()), labels=list(BASES), step="mid", linewidth=0)
    axis.set(title=f"bases, {way} reads", xlabel="cycle", ylabel="% of the reads", ylim=(0, 100))
    axis.legend(fontsize=7, ncols=5, loc="lower center")


def _lines(axis: Axes, ways: dict, key: str, label: str) -> None:
    for way, one in ways.items():
        axis.plot(100 * np.asarray(one[key]) / one["reads"], color=COLOURS[way], label=way)
    axis.set(xlabel=label, ylabel="% of the reads")
    axis.legend(fontsize=7)


def _lengths(axis: Axes, ways: dict) -> None:
    for way, one in ways.items():
        lengths, counts = [int(length) for length in one["lengths"]], np.array(list(one["lengths"].values()))
        axis.plot(lengths, 100 * counts / one["reads"], color=COLOURS[way], label=way, marker=".")
    axis.set(xlabel="length of the read (nt)", ylabel="% of the reads", yscale="log")
    axis.legend(fontsize=7)


def _adapters(axis: Axes, ways: dict) -> None:
    for way, one in ways.items():
        for style, (name, share) in zip(ADAPTER_LINES, one["by_cycle"]["adapters"].items(), strict=True):
            label = f"{way}, {name}"
            axis.plot(100 * np.asarray(share), color=COLOURS[way], linestyle=style, label=label, linewidth=1)
    axis.set(
        xlabel="cycle", ylabel="% of the reads", title="adapter up to this cycle", ylim=(0, max(1, axis.get_ylim()[1]))
    )
    axis.legend(fontsize=6)


def _repeats(axis: Axes, ways: dict) -> None:
    width = 0.8 / len(ways)
    for number, (way, one) in enumerate(ways.items()):
        places = np.arange(len(one["repeats"])) + number * width
        axis.bar(places, 100 * np.array(list(one["repeats"].values())), width=width, color=COLOURS[way], label=way)
    axis.set_xticks(np.arange(len(one["repeats"])), one["repeats"], fontsize=7)
    axis.set(xlabel="times that a read's first 50 nt occur", ylabel="% of the reads")
    axis.legend(fontsize=7)
