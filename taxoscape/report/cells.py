"""Numbers as a reader wants them."""

import pandas as pd


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


def interval(entry: dict | float | None) -> str:
    """Value with its interval: `2.84 (2.41 to 3.30)`; an entry without interval shows the value alone."""
    if not isinstance(entry, dict):
        return "" if entry is None else f"{entry:.3g}"
    if entry.get("value") is None:
        return "not defined"
    if entry.get("low") is None or entry.get("high") is None:
        return f"{entry['value']:.3g}"
    return f"{entry['value']:.3g} ({entry['low']:.3g} to {entry['high']:.3g})"
