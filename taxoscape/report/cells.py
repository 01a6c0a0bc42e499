"""Numbers and names as a reader wants them."""

import re

import pandas as pd

# A number, with or without unit and interval: `1,234`, `61.3%`, `-0.62 (-2.19 to 1.03)`, `0.21 *`.
NUMBER = re.compile(r"[<~]? ?[-\u2212+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)? ?%?( \([-\u2212\d,.e+ to%]+\))?( \*)?")

MODELS = {
    "aam": "attention model (AAM)",
    "stack": "mean of AAM and random forest",
    "diffusion": "diffusion",
    "forest_on_pcoa": "forest on UniFrac PCoA",
    "kernel_ridge": "kernel ridge on UniFrac",
    "kernel_logistic": "kernel logistic on UniFrac",
    "copula": "Gaussian copula",
    "training": "training samples (the best there is)",
}


def format_cell(value: object) -> str:
    """Number as a reader wants it: whole numbers with thousands, others with four significant digits."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, float) and pd.isna(value):
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.4g}"
    if isinstance(value, int | float):
        return f"{int(value):,}"
    return str(value)


def is_number(cell: str) -> bool:
    """Whether a cell of the page is a number, with or without unit and interval."""
    return bool(NUMBER.fullmatch(cell)) or cell == "not defined"


def interval(entry: dict | float | None) -> str:
    """Value with its interval: `2.84 (2.41 to 3.30)`; an entry without interval shows the value alone."""
    if not isinstance(entry, dict):
        return "" if entry is None else f"{entry:.3g}"
    if pd.isna(entry.get("value")):
        return "not defined"
    if pd.isna(entry.get("low")) or pd.isna(entry.get("high")):
        return f"{entry['value']:.3g}"
    return f"{entry['value']:.3g} ({entry['low']:.3g} to {entry['high']:.3g})"


def percent(share: float | None) -> str:
    return "" if share is None or pd.isna(share) else f"{share:.1%}"


def percent_interval(entry: dict) -> str:
    """Share with its interval, in percent: `58% (55% to 62%)`."""
    return f"{entry['value']:.0%} ({entry['low']:.0%} to {entry['high']:.0%})"


def count(number: int, one: str, many: str = "") -> str:
    """Number with its noun: `1 sample`, `1,204 samples`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: list, most: int = 12) -> str:
    """Names in a sentence, the first of them where there are many."""
    shown = ", ".join(map(str, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def plain_lineage(lineage: str) -> str:
    """`k__Bacteria; p__Firmicutes; g__` as `Bacteria › Firmicutes`; `unassigned` where no rank has a name."""
    names = [part.strip().partition("__") for part in lineage.split(";")]
    named = [name if mark else part for part, mark, name in names if name or not mark]
    return " › ".join(name for name in named if name) or "unassigned"


def model_name(name: str) -> str:
    """Model as a reader knows it."""
    return MODELS.get(name, name.replace("_", " "))
