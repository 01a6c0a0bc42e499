"""What stands along an axis of a figure: it must be readable."""

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from taxoscape import figures


def written_figures(patch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures that are written from now on."""
    found, png = [], figures.png
    patch.setattr(
        figures, "png", lambda figure, *args, **options: found.append(figure) or png(figure, *args, **options)
    )
    return found


def labels_below(axes: Axes) -> list[str]:
    """Texts below a figure's panel, from left to right; fails where two lie upon each other."""
    left, _, right, _ = axes.bbox.extents
    found = []
    for label in axes.get_xticklabels(which="both"):
        start, _, end, _ = label.get_window_extent().extents
        if label.get_text() and left <= (start + end) / 2 <= right:
            found.append((start, end, label.get_text()))
    found.sort()
    assert [(a, b) for (_, end, a), (start, _, b) in zip(found, found[1:], strict=False) if start < end] == []
    return [text for *_, text in found]
