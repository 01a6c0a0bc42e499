"""Draw a tree as a circle: the root in the middle, every branch as long as it is, tips coloured by clade."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from taxoscape import trees
from taxoscape.figures import save
from taxoscape.palette import Clades, clades_at
from taxoscape.trees import TreeArrays

MIXED = "#444444"  # branches above tips of several colours
GAP = 6.0  # degrees left open between the first tip and the last
STEP = 1.0  # degrees of an arc drawn as one straight line
# The circle ends at the depth that this share of the tips does not exceed, and somewhat further; what reaches beyond
# is cut there and marked: one long branch would otherwise leave nothing to see of the others.
ENDS, FURTHER = 0.99, 1.3


def draw_tree(tree: TreeArrays, taxa: Sequence[str], clades: Clades, path: str | Path) -> None:
    """Write a figure (PNG) of a tree with lineages of its tips [n], coloured by clade as all figures are."""
    angle, depth = angles(tree), trees.depths(tree)
    end = outer_depth(depth[tree.tip_node])
    radius = np.minimum(depth, end) / end
    names, colours = clades_at(taxa, clades, clades.rank)
    branch = branch_colours(tree, [colours[name] for name in names])
    figure = Figure(figsize=(9, 9.8))
    axis = figure.add_axes((0.02, 0.1, 0.96, 0.88))
    width = float(np.clip(250 / len(taxa), 0.3, 1.4))
    drawn, shades = lines(tree, angle, radius, branch)
    axis.add_collection(LineCollection(drawn, colors=shades, linewidths=width))
    band, bands = ring(angle[tree.tip_node], branch[tree.tip_node])
    axis.add_collection(LineCollection(band, colors=bands, linewidths=7))
    cut = tree.tip_node[depth[tree.tip_node] > end]
    ends = _points(angle[cut], np.full(len(cut), 1.015))
    axis.plot(*ends.T, ls="", marker="o", ms=3, color="black")
    _scale_bar(axis, end)
    axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
    axis.set_axis_off()
    numbers = Counter(names)
    marks = [Line2D([], [], color=colours[name], lw=5) for name in colours]
    texts = [f"{name} ({numbers[name]:,})" for name in colours]
    if len(cut):
        marks.append(Line2D([], [], ls="", marker="o", ms=4, color="black"))
        texts.append(f"{len(cut):,} longer than drawn")
    figure.legend(marks, texts, title=f"{clades.rank} (tips)", loc="lower center", ncol=4, fontsize=9, frameon=False)
    save(figure, path, dpi=150)


def angles(tree: TreeArrays) -> np.ndarray:
    """Angle of each node [M], degrees: tips evenly round the circle, a node midway between its outermost children."""
    angle = np.full(len(tree.parent), np.nan)
    angle[tree.tip_node] = np.linspace(GAP / 2, 360 - GAP / 2, len(tree.tips))
    low, high = angle.copy(), angle.copy()
    for node in range(len(angle) - 1, 0, -1):  # children come after their parent
        angle[node] = (low[node] + high[node]) / 2
        above = tree.parent[node]
        low[above], high[above] = np.fmin(low[above], angle[node]), np.fmax(high[above], angle[node])
    angle[0] = (low[0] + high[0]) / 2
    return angle


def outer_depth(depth: np.ndarray) -> float:
    """Depth (substitutions/site) at which the circle ends, from the depths of the tips [n]; 1 for tips on the root."""
    return float(min(depth.max(), FURTHER * np.quantile(depth, ENDS, method="lower"))) or float(depth.max()) or 1.0


def branch_colours(tree: TreeArrays, tips: Sequence[str]) -> np.ndarray:
    """Colour of each branch [M]: that of the tips below it where they have one in common, else MIXED."""
    found: list[str | None] = [None] * len(tree.parent)
    for node, colour in zip(tree.tip_node, tips, strict=True):
        found[node] = colour
    for node in range(len(found) - 1, 0, -1):
        above = tree.parent[node]
        found[above] = found[node] if found[above] in (None, found[node]) else MIXED
    return np.array(found, dtype=object)


def lines(
    tree: TreeArrays, angle: np.ndarray, radius: np.ndarray, colours: np.ndarray
) -> tuple[list[np.ndarray], list[str]]:
    """Lines of the tree and their colours: a spoke for each branch, an arc through the children of each inner node."""
    spokes = np.stack([_points(angle[1:], radius[tree.parent[1:]]), _points(angle[1:], radius[1:])], axis=1)
    low, high = np.full(len(angle), np.inf), np.full(len(angle), -np.inf)
    np.minimum.at(low, tree.parent[1:], angle[1:])
    np.maximum.at(high, tree.parent[1:], angle[1:])
    inner = np.flatnonzero(np.isfinite(low))
    arcs = [_arc(low[node], high[node], radius[node]) for node in inner]
    return [*spokes, *arcs], [*colours[1:], *colours[inner]]


def ring(angle: np.ndarray, colours: np.ndarray) -> tuple[list[np.ndarray], list[str]]:
    """Arcs round the circle and their colours, one for every run of neighbouring tips [n] of one colour."""
    half = (360 - GAP) / max(len(angle) - 1, 1) / 2
    starts = np.flatnonzero(np.append(True, colours[1:] != colours[:-1]))
    ends = np.append(starts[1:], len(colours)) - 1
    return [_arc(angle[a] - half, angle[b] + half, 1.05) for a, b in zip(starts, ends, strict=True)], [*colours[starts]]


def _arc(first: float, last: float, radius: float) -> np.ndarray:
    count = max(int(np.ceil((last - first) / STEP)) + 1, 2)
    return _points(np.linspace(first, last, count), np.full(count, radius))


def _points(angle: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Points [n, 2] at angles (degrees, clockwise from the top) and radii."""
    return np.stack([radius * np.sin(np.radians(angle)), radius * np.cos(np.radians(angle))], axis=-1)


def _scale_bar(axis, end: float) -> None:
    """A bar of a round number of substitutions/site, a fifth of the radius or less."""
    power = 10 ** np.floor(np.log10(end / 5))
    length = power * max(step for step in (1, 2, 5) if step * power <= end / 5 * (1 + 1e-9))
    axis.plot([-1.05, -1.05 + length / end], [-1.02, -1.02], color="black", lw=2)
    axis.text(-1.05, -1.0, f"{length:g} substitutions/site", fontsize=9, va="bottom")
