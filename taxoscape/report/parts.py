"""Parts of a report page: sections that hold facts, checks, tables and figures, and the page made of them."""

import base64
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import matplotlib.figure
import pandas as pd

from taxoscape.digest import ROOT
from taxoscape.figures import png
from taxoscape.report.cells import format_cell, is_number

CAPTIONS = ROOT / "workflow" / "report" / "captions"
SCRIPTS = ["contents", "tables", "figures", "terms"]  # written into the page, in this order
OPEN_ROWS = 12  # tables with more rows are folded, and can be filtered
MOST_ROWS = 250
WIDE = 1060  # pixels of a PNG from which on a figure takes the whole width: its letters would be too small in half


@dataclass(frozen=True)
class Table:
    """Rows under a caption that says what to see in them; `limit` rows are shown, the rest counted.

    folded: shown on demand; None = as soon as it has many rows. file: where in the results all rows are.
    """

    caption: str
    frame: pd.DataFrame
    limit: int = MOST_ROWS
    folded: bool | None = None
    file: str = ""

    @property
    def shown(self) -> list[list[str]]:
        return [[format_cell(cell) for cell in row] for row in self.frame.head(self.limit).itertuples(index=False)]

    @property
    def hidden(self) -> int:
        return max(0, len(self.frame) - self.limit)

    @property
    def numeric(self) -> list[bool]:
        """Columns that hold numbers only: they are set to the right."""
        columns = list(zip(*self.shown, strict=True)) or [()] * self.frame.shape[1]
        return [any(cells) and all(is_number(cell) for cell in cells if cell) for cells in columns]

    @property
    def long(self) -> bool:
        return len(self.frame) > OPEN_ROWS

    @property
    def closed(self) -> bool:
        return self.long if self.folded is None else self.folded


@dataclass(frozen=True)
class Figure:
    """PNG with a title and a caption that says what to see in it; `about`: the target or run that it is of."""

    name: str
    caption: str
    png: bytes
    about: str = ""

    @property
    def title(self) -> str:
        return f"{self.about}: {self.name[0].lower()}{self.name[1:]}" if self.about else self.name

    @property
    def source(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the PNG's header."""
        return struct.unpack(">II", self.png[16:24])

    @property
    def wide(self) -> bool:
        return self.size[0] > WIDE


@dataclass(frozen=True)
class Check:
    """A figure of quality beside its threshold; `good` None where it is shown for information."""

    what: str
    value: str
    threshold: str
    good: bool | None

    @property
    def mark(self) -> str:
        return {True: "met", False: "look here", None: "for information"}[self.good]


@dataclass(frozen=True)
class Verdict:
    """What a learned result is worth: `mark` in a few words, `kind` better | level | worse | open, and a sentence."""

    about: str
    section: str
    mark: str
    kind: str
    text: str
    short: str = ""  # for the summary, where `text` is long


@dataclass
class Section:
    """Stage of the chain as the reader meets it."""

    name: str
    title: str
    lead: str
    facts: list[tuple[str, str]] = field(default_factory=list)  # what came in, what was lost and why
    checks: list[Check] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    folded: list[Figure] = field(default_factory=list)  # shown on demand, under their names
    links: list[tuple[str, str]] = field(default_factory=list)  # pages beside the report: address, text
    references: list[tuple[str, str]] = field(default_factory=list)  # citation and DOI

    @property
    def folded_names(self) -> str:
        return "; ".join(dict.fromkeys(figure.name for figure in self.folded))

    @property
    def attention(self) -> list[str]:
        """What deserves a look: warnings, and checks that are not met."""
        missed = [
            f"{check.what}: {check.value} (threshold: {check.threshold})."
            for check in self.checks
            if check.good is False
        ]
        return self.warnings + missed


def page(folder: str | Path, **content: object) -> str:
    """Fill the page's template with its style and scripts; every text is escaped, whatever a sample is called."""
    folder = Path(folder)
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(folder),
    )
    css = (folder / "style.css").read_text()
    js = "\n".join((folder / f"{name}.js").read_text() for name in SCRIPTS)
    return environment.get_template("page.html.j2").render(css=css, js=js, **content)


def caption(name: str) -> tuple[str, str]:
    """Title and text of captions/<name>.rst: `**Title.** What to see.`, the same in `snakemake --report`."""
    text = " ".join((CAPTIONS / f"{name}.rst").read_text().split())
    title, rest = re.fullmatch(r"\*\*(.+?)\.\*\* (.+)", text).groups()
    return title, rest


def drawn(figure: matplotlib.figure.Figure, name: str, about: str = "") -> Figure:
    """Turn a matplotlib figure into a part of the page."""
    return _figure(png(figure, dpi=130, bbox_inches="tight"), name, about)


def stored(path: str | Path, name: str, about: str = "") -> Figure:
    """Take a PNG that a stage has drawn."""
    return _figure(Path(path).read_bytes(), name, about)


def _figure(data: bytes, name: str, about: str) -> Figure:
    title, text = caption(name)
    return Figure(title, text, data, about)
