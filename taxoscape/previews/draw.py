"""Draw: the previews as matplotlib figures; each says in words what it shows."""

import textwrap

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import cm, colors, patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from taxoscape.basis import Basis
from taxoscape.layout.snap import spread
from taxoscape.palette import PALETTE, Clades, clades_at, names_at
from taxoscape.previews import paint
from taxoscape.previews.contrast import Contrast

LAND = "#f1f1f1"  # where there are taxa, but none of this sample
HALO = [patheffects.withStroke(linewidth=2.5, foreground="white")]
LEGEND = {"frameon": False, "alignment": "left", "fontsize": 9, "labelspacing": 0.8}
LABELLED = 8  # families named on the map
LISTED = 8  # taxa named on each side of a difference


def draw_taxa(basis: Basis, lineages: list[str], mean: np.ndarray, samples: int, clades: Clades) -> Figure:
    """Map of taxa: a dot in each cell, coloured by clade, as large as the taxon is abundant (mean [D], shares)."""
    clade, colours = clades_at(lineages, clades, clades.rank)
    figure = Figure(figsize=(9.6, 7.2))
    ax = figure.subplots()
    area = np.pi * (0.5 + 3.2 * paint.strength(mean)) ** 2 * (64 / basis.size) ** 0.5
    ax.scatter(basis.col, basis.row, s=area * 2.2, c=[colours[name] for name in clade], lw=0.3, ec="white")
    _frame(ax, basis)
    _name_families(ax, basis, lineages)
    shares = {name: mean[clade == name].sum() / mean.sum() for name in colours}
    texts = [f"{name}\n{(clade == name).sum()} taxa, {shares[name]:.1%} of reads" for name in colours]
    marks = [_dot(colour, 8) for colour in colours.values()]
    clade_legend = ax.legend(marks, texts, title=clades.rank, loc="upper left", bbox_to_anchor=(1.01, 1), **LEGEND)
    ax.add_artist(clade_legend)
    sizes = [1e-4, 1e-3, 1e-2, 1e-1]
    marks = [_dot("#555555", 2 * (0.5 + 3.2 * paint.strength(np.array(size))) * 1.48) for size in sizes]
    texts = [f"{size:.6g} %" for size in (0.01, 0.1, 1, 10)]
    title = "mean share of reads"
    ax.legend(marks, texts, title=title, loc="lower left", bbox_to_anchor=(1.01, 0), **LEGEND)
    _title(
        figure,
        f"The map of {len(basis.taxa)} taxa",
        f"Each dot is one taxon in a cell of its own; relatives lie together. Dots are as large as the taxon is common "
        f"(mean of {samples} training samples), names mark the largest families. Only who is near whom has a meaning: "
        "directions and empty space have none.",
    )
    figure.subplots_adjust(left=0.02, right=0.74, bottom=0.02, top=0.87)
    return figure


def draw_channels(basis: Basis, mean: np.ndarray, samples: int) -> Figure:
    """Sheet of channel maps: where the mean community [D] has more or less of each function than as a whole."""
    mean = mean / mean.sum()
    share = mean @ basis.channels
    local, weight = paint.local_mean(mean, basis.channels, basis)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log2(local / share[:, None, None])
    seen = ratio[np.isfinite(ratio) & (weight > paint.FAINTEST)]
    limit = float(np.clip(np.quantile(np.abs(seen), 0.98), 0.1, 2.0)) if len(seen) else 1.0
    opacity = np.where(weight > 0, paint.strength(weight), 0.0)
    figure, axes, height = _sheet(len(share), 4, 2.45, 1.5)
    shade = matplotlib.colormaps["RdBu_r"]
    for place, ax in enumerate(axes):
        pixels = shade(0.5 + np.clip(np.nan_to_num(ratio[place], neginf=-9) / limit, -1, 1) / 2)
        pixels[..., 3] = opacity
        _land(ax, basis)
        ax.imshow(pixels, interpolation="nearest")
        _frame(ax, basis)
        name = str(basis.channel_names[place]).replace("_", " ")
        ax.set_title(f"{textwrap.shorten(name, 30)}: {share[place]:.1%}", fontsize=8.5)
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.85 / height, top=1 - 1.15 / height, hspace=0.14, wspace=0.05)
    bar = figure.add_axes((0.25, 0.5 / height, 0.5, 0.12 / height))
    mapped = cm.ScalarMappable(colors.Normalize(-limit, limit), shade)
    figure.colorbar(mapped, cax=bar, orientation="horizontal", ticks=[-limit, 0, limit])
    bar.set_xticklabels([f"{2**-limit:.2f} times", "as in the whole community", f"{2**limit:.2f} times"], fontsize=8)
    _title(
        figure,
        "What the taxa at each place can do",
        f"Mean community of {samples} training samples on the map of taxa. Red: this function takes a larger share of "
        "the genes there than in the community as a whole (that share is in each title); blue: a smaller one. The "
        "stronger the colour stands out, the more reads lie there; grey: taxa that are rare.",
    )
    return figure


def draw_samples(
    basis: Basis,
    shares: np.ndarray,
    names: list[str],
    labels: list[str],
    lineages: list[str],
    clades: Clades,
    title: str | None = None,
) -> Figure:
    """Samples side by side on the same map, four to a row: hue = clade, opacity = share of reads; shares [n, D]."""
    clade, colours = clades_at(lineages, clades, clades.rank)
    palette = np.array([colors.to_rgb(colours[name]) for name in clade])
    figure, axes, height = _sheet(len(names), min(4, len(names)), 2.55, 1.9)
    for place, ax in enumerate(axes):
        hue, weight = paint.local_mean(shares[place], palette, basis)
        opacity = np.where(weight > 0, paint.strength(weight), 0.0)
        _land(ax, basis)
        ax.imshow(np.dstack([*np.nan_to_num(hue), opacity]), interpolation="nearest")
        _frame(ax, basis)
        ax.set_title("\n".join(filter(None, [textwrap.shorten(names[place], 34), labels[place]])), fontsize=8)
    figure.subplots_adjust(left=0.02, right=0.98, bottom=1.05 / height, top=1 - 1.1 / height, hspace=0.2, wspace=0.05)
    marks = [_dot(colour, 8) for colour in colours.values()]
    figure.legend(marks, colours, title=clades.rank, loc="lower left", ncol=3, fontsize=8, frameon=False)
    bar = figure.add_axes((0.7, 0.55 / height, 0.26, 0.12 / height))
    ramp = paint.strength(np.geomspace(paint.FAINTEST, paint.FULL, 128))
    bar.imshow(np.dstack([np.zeros((1, 128, 3)), ramp[None]]), aspect="auto", extent=(-4, -1, 0, 1))
    bar.set(yticks=[], xticks=[-4, -3, -2, -1])
    bar.set_xticklabels(["0.01 %", "0.1 %", "1 %", "10 %"], fontsize=8)
    bar.set_title("share of reads in a pixel", fontsize=8)
    _title(
        figure,
        title or f"{len(names)} samples as landscapes",
        "Every taxon stands in the same place in all pictures (the map of taxa). Colour: its clade; strength of the "
        "colour: its share of the sample's reads on the map. Light grey: taxa that the sample does not have.",
    )
    return figure


def draw_difference(basis: Basis, values: np.ndarray, contrast: Contrast | None, lineages: list[str]) -> Figure:
    """Mean difference between two groups on the map, with the taxa that differ most; values [N, D] in clr units."""
    if contrast is None:
        figure = Figure(figsize=(9.6, 1.6))
        _title(figure, "No groups to compare", "No target or field of the metadata splits the training samples in two.")
        return figure
    groups = values[contrast.first], values[contrast.second]
    difference = (groups[1].mean(axis=0) - groups[0].mean(axis=0)) / np.log(2)  # [D] doublings
    figure = Figure(figsize=(9.6, 5.9))
    (ax, bars) = figure.subplots(1, 2, width_ratios=[1.25, 1])
    shown, weight = paint.local_mean(np.ones(len(difference)), difference[:, None], basis)
    limit = max(float(np.quantile(np.abs(difference), 0.98)), 0.5)
    shade = matplotlib.colormaps["PuOr_r"]
    pixels = shade(0.5 + np.clip(np.nan_to_num(shown[0]) / limit, -1, 1) / 2)
    pixels[..., 3] = np.clip(weight / (0.3 * weight.max()), 0, 1)
    ax.imshow(pixels, interpolation="nearest")
    _frame(ax, basis)
    order = np.argsort(difference, kind="stable")
    chosen = np.unique(np.concatenate([order[:LISTED], order[-LISTED:]]))
    chosen = chosen[np.argsort(difference[chosen], kind="stable")]
    tints = shade(0.5 + np.clip(difference[chosen] / limit, -1, 1) / 2)
    bars.barh(np.arange(len(chosen)), difference[chosen], color=tints, ec="#666666", lw=0.4)
    bars.axvline(0, color="#444444", lw=0.8)
    names = [textwrap.shorten(paint.full_name(lineages[taxon]), 32, placeholder="...") for taxon in chosen]
    bars.set_yticks(np.arange(len(chosen)), [f"{name}  [{n + 1}]" for n, name in enumerate(names)], fontsize=7.5)
    bars.yaxis.tick_right()
    bars.set_xlabel("difference in doublings (log2)", fontsize=8)
    bars.tick_params(axis="x", labelsize=8)
    bars.spines[["top", "left"]].set_visible(False)
    _number(ax, basis, chosen)
    figure.subplots_adjust(left=0.02, right=0.78, bottom=0.2, top=0.84, wspace=0.06)
    bar = figure.add_axes((0.03, 0.13, 0.4, 0.02))
    figure.colorbar(cm.ScalarMappable(colors.Normalize(-limit, limit), shade), cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=8)
    bar.text(0, -3.2, f"more in\n{contrast.first_name}", fontsize=8, va="top", transform=bar.transAxes)
    bar.text(1, -3.2, f"more in\n{contrast.second_name}", fontsize=8, va="top", ha="right", transform=bar.transAxes)
    _title(
        figure,
        f"{contrast.second_name} against {contrast.first_name}",
        f"Orange: more in {contrast.second_name} (mean of {len(groups[1])} training samples); purple: more in "
        f"{contrast.first_name} ({len(groups[0])}). A difference of 1 is twice as much of a taxon, relative to the "
        "others (centred log-ratio). Numbers mark the taxa listed on the right. Descriptive: no test was made.",
    )
    return figure


def draw_noise(quality: dict) -> Figure:
    """Error of the composition read off an image against the noise in its pixels; `quality` as image_quality has it."""
    share, mean, worst = (np.array([row[key] for row in quality["noise"]]) for key in ("share", "l1_mean", "l1_worst"))
    figure = Figure(figsize=(9.6, 4.2))
    ax = figure.subplots()
    ax.plot(100 * share, mean, marker="o", color=PALETTE[0], label="mean of the samples")
    ax.plot(100 * share, worst, marker="o", color=PALETTE[5], ls="--", label="worst sample")
    blind = quality["mean_composition_l1"]
    ax.axhline(blind, color="#777777", lw=1, label="the mean community instead, without any image")
    ax.set(xscale="log", yscale="log", xlabel="noise, % of the standard deviation of the image's pixels")
    ax.set_ylabel("L1 distance to the true composition\n(0 = same, 2 = no taxon in common)")
    ax.set_xticks(100 * share, [f"{100 * value:g}" for value in share])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    _title(
        figure,
        "What noise does to the community that is read off an image",
        "Normal noise was added to every pixel of the images that models see, and the composition computed back by "
        "least squares. Without noise it comes back exactly.",
    )
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.14, top=0.82)
    return figure


def _sheet(count: int, columns: int, row: float, rest: float) -> tuple[Figure, list[Axes], float]:
    """Figure with `count` panels, so many to a row, and its height (inches): `row` for each row, and the `rest`."""
    rows = -(-count // columns)
    figure = Figure(figsize=(9.6, row * rows + rest))
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[count:]:
        ax.axis("off")
    return figure, axes[:count], row * rows + rest


def _name_families(ax: Axes, basis: Basis, lineages: list[str]) -> None:
    """Write the names of the largest families above their densest stretch."""
    families = pd.Series(names_at(lineages, "family"))
    counts = families[families != ""].value_counts()
    for family in counts[counts >= 3].head(LABELLED).index:
        rows, cols = (axis[(families == family).to_numpy()] for axis in (basis.row, basis.col))
        near = np.hypot(rows - np.median(rows), cols - np.median(cols)) < basis.size / 10
        top = rows[near].min() if near.any() else np.median(rows)
        column = np.median(cols[near]) if near.any() else np.median(cols)
        column = np.clip(column, 0.09 * basis.size, 0.9 * basis.size)  # names stay inside the frame
        above = max(top - basis.size / 50, 0.03 * basis.size)
        ax.text(column, above, family, fontsize=8, ha="center", va="bottom", path_effects=HALO)


def _number(ax: Axes, basis: Basis, chosen: np.ndarray) -> None:
    """Write 1, 2, ... beside the chosen taxa, apart from each other and tied to their cells by a line."""
    cells = np.stack([basis.row, basis.col], axis=1)[chosen]
    places = spread(cells - basis.size / 40, basis.size, basis.size / 22)
    for number, (cell, place) in enumerate(zip(cells, places, strict=True), 1):
        ax.plot([cell[1], place[1]], [cell[0], place[0]], color="#333333", lw=0.5)
        ax.text(place[1], place[0], number, fontsize=7, ha="center", va="center", path_effects=HALO)


def _frame(ax: Axes, basis: Basis) -> None:
    ax.set(xlim=(-0.5, basis.size - 0.5), ylim=(basis.size - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_color("#bbbbbb")


def _land(ax: Axes, basis: Basis) -> None:
    cover = paint.surface(np.ones(len(basis.taxa)), np.ones((len(basis.taxa), 1)), basis)[0]
    pixels = np.tile(colors.to_rgba(LAND), (basis.size, basis.size, 1))
    pixels[..., 3] = np.clip(cover / (0.1 * cover.max()), 0, 1)
    ax.imshow(pixels, interpolation="nearest")


def _dot(colour: str, size: float) -> Line2D:
    return Line2D([], [], marker="o", ls="", color=colour, ms=size, mec="white", mew=0.3)


def _title(figure: Figure, title: str, text: str) -> None:
    height = figure.get_size_inches()[1]
    figure.text(0.02, 1 - 0.12 / height, title, fontsize=13, weight="bold", va="top")
    figure.text(0.02, 1 - 0.4 / height, textwrap.fill(text, 140), fontsize=8.5, va="top", color="#333333")
