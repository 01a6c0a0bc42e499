"""Figures as PNG: the same bytes every time."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from taxoscape.files import atomic


def png(figure: Figure, dpi: int = 110, **options: object) -> bytes:
    """Return a figure as PNG; `options` go to matplotlib's savefig."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None}, **options)
    return buffer.getvalue()


def save(figure: Figure, path: str | Path, dpi: int = 110, **options: object) -> None:
    """Write a figure as PNG; `options` go to matplotlib's savefig."""
    drawn = png(figure, dpi, **options)
    with atomic(path) as partial:
        partial.write_bytes(drawn)
