"""Parts of a report page: sections that hold paragraphs, tables and figures, and the page made of them."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import matplotlib.figure
import pandas as pd

from taxoscape.figures import png
from taxoscape.report.cells import format_cell


@dataclass(frozen=True)
class Table:
    """Rows under a caption that says what to see in them; `limit` rows are shown, the rest counted."""

    caption: str
    frame: pd.DataFrame
    limit: int = 25

    @property
    def shown(self) -> list[list[str]]:
        return [[format_cell(cell) for cell in row] for row in self.frame.head(self.limit).itertuples(index=False)]

    @property
    def hidden(self) -> int:
        return max(0, len(self.frame) - self.limit)


@dataclass(frozen=True)
class Figure:
    """PNG under a caption that says what to see in it."""

    caption: str
    png: bytes

    @property
    def source(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass
class Section:
    """Stage of the chain as the reader meets it."""

    name: str
    title: str
    lead: str
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    folded: list[Figure] = field(default_factory=list)  # shown on demand
    links: list[tuple[str, str]] = field(default_factory=list)  # pages beside the report: address, text


def page(template: str | Path, **content: object) -> str:
    """Fill the page's template; every text is escaped, whatever a sample or a taxon is called."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(Path(template).read_text()).render(**content)


def drawn(figure: matplotlib.figure.Figure, caption: str) -> Figure:
    """Turn a matplotlib figure into a part of the page."""
    return Figure(caption, png(figure, dpi=130, bbox_inches="tight"))


def stored(path: str | Path, caption: str) -> Figure:
    """Take a PNG that a stage has drawn."""
    return Figure(caption, Path(path).read_bytes())
