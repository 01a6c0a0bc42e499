"""Figures as PNG: the same bytes every time, names as they are."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from taxoscape.files import atomic

# A $ in a name is a $: matplotlib would take what stands between two for TeX, and fail where it is none.
matplotlib.rcParams["text.parse_math"] = False


def png(figure: Figure, dpi: int = 110, **options: object) -> bytes:
    """Return a figure as PNG; `options` go to matplotlib's savefig."""
    _keep_powers(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None}, **options)
    return buffer.getvalue()


def save(figure: Figure, path: str | Path, dpi: int = 110, **options: object) -> None:
    """Write a figure as PNG; `options` go to matplotlib's savefig."""
    drawn = png(figure, dpi, **options)
    with atomic(path) as partial:
        partial.write_bytes(drawn)


def _keep_powers(figure: Figure) -> None:
    """The labels that matplotlib itself writes along logarithmic axes are formulas."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatter):
            for label in axis.get_ticklabels(which="both"):
                label.set_parse_math(True)
