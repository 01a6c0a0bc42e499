"""Figures of diversity, in colours that colour-blind readers tell apart (Okabe and Ito 2008; viridis)."""

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from taxoscape.diversity.beta import METRICS
from taxoscape.diversity.compare import Comparison, one_per_field
from taxoscape.figures import save
from taxoscape.palette import PALETTE

GREY = "#8c8c8c"
PALE = "#c9c9c9"
MEASURES = {"richness": "Observed taxa", "shannon": "Shannon (nats)", "faith_pd": "Faith's PD"}
CURVES = {"richness": "number of taxa", "shannon": "Shannon diversity (nats)"}
FIELDS_DRAWN = 12
TAXA_DRAWN = 16
PANELS_DRAWN = 12


def draw_curves(
    curves: pd.DataFrame, dropped: list[str], depth: int, design: pd.DataFrame, comparison: Comparison | None, path
) -> None:
    """Draw a line per sample, the median of every category in bold, the rarefied depth, and what it dropped."""
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    axes = figure.subplots(1, 2)
    colours, legend = _colours(comparison, design)
    ends = curves.groupby("sample", sort=False)["depth"].max()
    right = max(1.6 * depth, float(ends.quantile(0.9)) if len(ends) else depth)
    for axis, measure in zip(axes, CURVES, strict=True):
        _lines(axis, curves, measure, colours, dropped)
        for colour in legend.values():
            _median_line(axis, curves[curves["sample"].map(colours).eq(colour)], measure, colour, right)
        axis.axvline(depth, color="black", linestyle="--", linewidth=1)
        shown = curves.loc[curves["depth"] <= right, measure]
        axis.set(xlim=(0, right), ylim=(0, 1.05 * shown.max() if len(shown) else 1), xlabel="reads per sample")
        axis.set_ylabel(f"expected {CURVES[measure]}")
        axis.xaxis.set_major_formatter("{x:,.0f}")
        _tidy(axis)
    handles = [Line2D([], [], color="black", linestyle="--", linewidth=1, label=f"rarefied to {depth:,} reads")]
    if dropped:
        label = f"dropped: fewer reads ({len(dropped)} samples)"
        handles.append(Line2D([], [], color="black", marker="x", linewidth=0.8, linestyle=":", label=label))
    handles += [Line2D([], [], color=colour, linewidth=2.5, label=name) for name, colour in legend.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5), fontsize=9, frameon=False)
    by = f", median of each {comparison.field}" if comparison else ""
    figure.suptitle(f"Rarefaction: what {len(ends):,} samples would show at lower depths{by}", fontsize=11)
    save(figure, path, dpi=130)


def draw_alpha(alpha: pd.DataFrame, tests: pd.DataFrame, design: pd.DataFrame, comparisons: list[Comparison], path):
    """Draw every measure by every field: boxes and dots of categories, dots and running medians of numbers."""
    shown = one_per_field(comparisons)[:FIELDS_DRAWN]
    rows = max(len(shown), 1)
    figure = Figure(figsize=(11, 0.5 + 3.0 * rows), layout="constrained")
    axes = figure.subplots(rows, len(MEASURES), squeeze=False)
    for row, comparison in enumerate(shown or [None]):
        for axis, (measure, label) in zip(axes[row], MEASURES.items(), strict=True):
            axis.set_ylabel(label)
            _tidy(axis)
            if comparison is None:
                axis.hist(alpha[measure], bins=30, color=PALETTE[0])
                axis.set(xlabel=label, ylabel="samples")
            elif not len(comparison.rows):
                _say(axis, comparison.why_not)
            else:
                values = alpha[measure].to_numpy()[comparison.rows]
                (_boxes if comparison.categorical else _scatter)(axis, values, comparison)
                _title(axis, tests[(tests["measure"] == measure) & (tests["field"] == comparison.field)], "effect")
    _more(figure, f"Diversity within {len(design):,} samples", comparisons)
    save(figure, path, dpi=130)


def draw_ordination(
    places: dict[str, tuple[pd.DataFrame, pd.DataFrame]],
    tests: pd.DataFrame,
    design: pd.DataFrame,
    comparisons: list[Comparison],
    why_not: str,
    path,
) -> None:
    """Draw the first two principal coordinates of every metric, one row of panels for every field."""
    shown = one_per_field(comparisons)[:FIELDS_DRAWN]
    rows, metrics = max(len(shown), 1), list(places)
    figure = Figure(figsize=(1.6 + 3.1 * len(metrics), 0.5 + 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, len(metrics), squeeze=False)
    for row, comparison in enumerate(shown or [None]):
        for axis, metric in zip(axes[row], metrics, strict=True):
            frame, explained = places[metric]
            axis.set_title(METRICS[metric], fontsize=10)
            _tidy(axis)
            axis.set(xticks=[], yticks=[])
            if len(explained) < 2:
                _say(axis, why_not or "fewer than 3 samples")
                continue
            _points(figure, axis, frame.set_index("sample"), design, comparison, axis is axes[row, -1])
            share = explained["explained"] * 100
            axis.set_xlabel(f"PC1 ({share[0]:.1f} %)", fontsize=8)
            axis.set_ylabel(f"PC2 ({share[1]:.1f} %)", fontsize=8)
            if comparison is not None:
                test = tests[(tests["metric"] == metric) & (tests["field"] == comparison.field)]
                _title(axis, test, "r2", METRICS[metric])
    _more(figure, "Principal coordinates of the distances between samples", comparisons)
    save(figure, path, dpi=130)


def draw_differential(effects: pd.DataFrame, about: pd.DataFrame, labels: dict[str, str], method: str, path) -> None:
    """Draw the taxa of smallest p of every contrast: log2 fold change, 95 % interval, filled where q < 0.05."""
    panels = list(effects.groupby(["field", "contrast"], sort=False))[:PANELS_DRAWN]
    if not panels:
        figure = Figure(figsize=(8, 1.6), layout="constrained")
        _say(
            figure.subplots(), "\n".join(f"{row.field}: {row.note}" for row in about.itertuples()) or "no field to test"
        )
        save(figure, path, dpi=130)
        return
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.6 * columns, 0.9 + 4.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    compared = about.set_index("field")
    for axis, ((field, contrast), frame) in zip(axes.flat, panels, strict=False):
        _forest(axis, frame, labels)
        said = compared.loc[field]
        axis.set_title(f"{field}: {contrast}\n({said.units:.0f} {said.compared}; {said.taxa:.0f} taxa)", fontsize=9)
    name = {"ancombc2": "ANCOM-BC2", "ancombc": "ANCOM-BC"}[method]
    figure.suptitle(f"Differential abundance ({name}), 95 % intervals; filled: q < 0.05", fontsize=11)
    save(figure, path, dpi=130)


def _colours(comparison: Comparison | None, design: pd.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """Colour of each sample that has a category, and of each category: the commonest in colour, the others grey."""
    if comparison is None:
        return {}, {}
    number = np.bincount(comparison.values, minlength=len(comparison.levels))
    common = set(np.argsort(-number, kind="stable")[: len(PALETTE)])
    ranked = [place for place in range(len(number)) if place in common]
    by_level = {place: PALETTE[index] for index, place in enumerate(ranked)}
    legend = {comparison.levels[place]: colour for place, colour in by_level.items()}
    if len(common) < len(number):
        legend[f"{len(number) - len(common)} others"] = GREY
    samples = design.index[comparison.rows]
    return {name: by_level.get(value, GREY) for name, value in zip(samples, comparison.values, strict=True)}, legend


def _lines(axis, curves: pd.DataFrame, measure: str, colours: dict[str, str], dropped: list[str]) -> None:
    parts = dict(list(curves.groupby("sample", sort=False)))
    lines = {name: part[["depth", measure]].to_numpy() for name, part in parts.items()}
    out = set(dropped)
    kept = [name for name in lines if name not in out]
    alpha = float(np.clip(80 / max(len(kept), 1), 0.12, 0.6))
    drawn = [colours.get(name, PALE if colours else PALETTE[0]) for name in kept]
    axis.add_collection(LineCollection([lines[name] for name in kept], colors=drawn, linewidths=0.7, alpha=alpha))
    gone = [line for name, line in lines.items() if name in out]
    axis.add_collection(LineCollection(gone, colors="black", linewidths=0.8, linestyles=":"))
    ends = np.array([line[-1] for line in gone]).reshape(-1, 2)
    axis.plot(ends[:, 0], ends[:, 1], "x", color="black", markersize=4)


def _median_line(axis, curves: pd.DataFrame, measure: str, colour: str, right: float) -> None:
    """Median over samples, up to the depth that half of them reach."""
    table = curves.pivot(index="depth", columns="sample", values=measure)
    reached = curves.groupby("sample")["depth"].max()
    inside = table.index[(table.index <= min(right, reached.median()))]
    common = table.loc[inside].dropna(thresh=-(-table.shape[1] // 2))  # depths of the grid, not a sample's own end
    axis.plot(common.index, common.median(axis=1), color=colour, linewidth=2.5)


def _boxes(axis, values: np.ndarray, comparison: Comparison) -> None:
    number = len(comparison.levels)
    parts = [values[comparison.values == place] for place in range(number)]
    drawn = [part[np.isfinite(part)] for part in parts]
    boxes = axis.boxplot(drawn, widths=0.55, showfliers=False, patch_artist=True, medianprops={"color": "black"})
    generator = np.random.default_rng(0)
    for place, (box, part) in enumerate(zip(boxes["boxes"], drawn, strict=True)):
        colour = PALETTE[place % len(PALETTE)]
        box.set(facecolor=colour, alpha=0.35)
        across = place + 1 + generator.uniform(-0.18, 0.18, len(part))
        axis.scatter(across, part, s=7, color=colour, alpha=float(np.clip(60 / len(part), 0.15, 0.8)), linewidths=0)
    names = [f"{name}\n(n={len(part)})" for name, part in zip(comparison.levels, drawn, strict=True)]
    long = max(map(len, comparison.levels)) * number > 40
    axis.set_xticks(
        range(1, number + 1), names, fontsize=8, rotation=30 if long else 0, ha="right" if long else "center"
    )
    axis.set_xlabel(comparison.field)


def _scatter(axis, values: np.ndarray, comparison: Comparison) -> None:
    order = np.argsort(comparison.values, kind="stable")
    alpha = float(np.clip(100 / len(order), 0.15, 0.8))
    axis.scatter(comparison.values, values, s=9, color=PALETTE[0], alpha=alpha, linewidths=0)
    parts = np.array_split(order, min(12, max(len(order) // 8, 2)))
    middle = [(np.median(comparison.values[part]), np.nanmedian(values[part])) for part in parts]
    axis.plot(*np.array(middle).T, color=PALETTE[5], linewidth=2, label="running median")
    axis.set_xlabel(f"{comparison.field} ({comparison.unit})" if comparison.unit else comparison.field)


def _points(figure, axis, frame: pd.DataFrame, design, comparison: Comparison | None, last: bool) -> None:
    """Samples on the first two axes; grey where the field is missing. The last panel of a row carries the legend."""
    size = float(np.clip(3000 / len(frame), 4, 26))
    if comparison is None:
        axis.scatter(frame["PC1"], frame["PC2"], s=size, color=PALETTE[0], alpha=0.7, linewidths=0)
        return
    known = design.index[comparison.rows]
    rest = frame.drop(known)
    axis.scatter(rest["PC1"], rest["PC2"], s=size, color=PALE, linewidths=0)
    part = frame.loc[known]
    if comparison.categorical:
        colours, legend = _colours(comparison, design)
        mixed = np.random.default_rng(0).permutation(len(part))  # no category covers the others
        drawn = [colours[name] for name in part.index[mixed]]
        axis.scatter(part["PC1"].iloc[mixed], part["PC2"].iloc[mixed], s=size, color=drawn, alpha=0.75, linewidths=0)
        if last:
            legend |= {"missing or left out": PALE} if len(rest) else {}
            handles = [
                Line2D([], [], marker="o", linestyle="", color=color, label=name) for name, color in legend.items()
            ]
            where = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False, "fontsize": 8}
            axis.legend(handles=handles, title=comparison.field, title_fontsize=9, **where)
        return
    dots = axis.scatter(part["PC1"], part["PC2"], s=size, c=comparison.values, cmap="viridis", alpha=0.85, linewidths=0)
    if last:
        bar = figure.colorbar(dots, ax=axis, shrink=0.85)
        bar.set_label(f"{comparison.field} ({comparison.unit})" if comparison.unit else comparison.field, fontsize=9)


def _forest(axis, frame: pd.DataFrame, labels: dict[str, str]) -> None:
    frame = frame.dropna(subset="p").sort_values("p", kind="stable").head(TAXA_DRAWN).sort_values("log2_fold_change")
    axis.axvline(0, color="black", linewidth=0.8)
    for place, row in enumerate(frame.itertuples()):
        colour = PALETTE[0] if row.log2_fold_change > 0 else PALETTE[5]
        axis.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6)
        face = colour if row.q < 0.05 else "white"
        axis.plot(row.log2_fold_change, place, "o", color=colour, markerfacecolor=face, markersize=6)
    axis.set_yticks(range(len(frame)), [labels[taxon] for taxon in frame["taxon"]], fontsize=8)
    axis.set_xlabel("log2 fold change", fontsize=9)
    _tidy(axis)
    axis.grid(axis="y", visible=False)


def _title(axis, tests: pd.DataFrame, effect: str, start: str = "") -> None:
    """Effect, p and q of a panel's tests above it."""
    said = [start] if start else []
    for row in tests.to_dict("records"):
        name = "R²" if effect == "r2" else "rho" if row["type"] == "continuous" else "eta²"
        found = f"{name} = {row[effect]:.3f}, p = {row['p']:.2g}, q = {row['q']:.2g}"
        which = {"samples": "", "subjects": "between subjects: "}.get(row["permuted"], "within subjects: ")
        said.append(which + (found if pd.notna(row["p"]) else "not tested"))
    axis.set_title("\n".join(said), fontsize=8)


def _more(figure, title: str, comparisons: list[Comparison]) -> None:
    left = len(one_per_field(comparisons)) - FIELDS_DRAWN
    figure.suptitle(title + (f" ({left} more fields in the tables)" if left > 0 else ""), fontsize=12)


def _say(axis, text: str) -> None:
    axis.text(0.5, 0.5, text, ha="center", va="center", wrap=True, fontsize=9, transform=axis.transAxes)
    axis.set(xticks=[], yticks=[])


def _tidy(axis) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="#ececec", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8)
