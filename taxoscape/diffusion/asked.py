"""Conditions that a user asks communities for: a TSV of field values, one row a community or several copies of it."""

from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import tables
from taxoscape.errors import InputError, examples

OWN = ("sample", "copies")  # columns that are no field
MOST = 1_000_000  # communities


def read_asked(path: str | Path, fields: dict[str, dict]) -> pd.DataFrame:
    """Read conditions -> sample, then one column a field: numbers with NaN, text with None; each copy has a row.

    `fields` are the study's, name -> {"type": continuous | categorical, ...}. A field without a column, or an empty
    cell, is not asked for: the model draws as it has learned without knowing it. Raises InputError for a file without
    rows, columns that are no field, text in place of numbers, names that repeat, and numbers of copies that are none.
    """
    frame = tables.read_tsv(path, "conditions (diffusion.conditions)")
    strange = [name for name in frame.columns if name not in fields and name not in OWN]
    if strange:
        raise InputError(f"{path} has columns that are no field: {examples(strange)}; fields are {', '.join(fields)}")
    if frame.empty:
        raise InputError(f"{path} asks for no community: give one row for each, or a column copies")
    names = frame["sample"] if "sample" in frame else pd.Series([f"asked{row}" for row in range(1, 1 + len(frame))])
    if names.duplicated().any() or (names == "").any():
        raise InputError(
            f"{path}: names of samples must differ and not be empty: {examples(names[names.duplicated()])}"
        )
    made = pd.DataFrame({"sample": names})
    for name, field in fields.items():
        given = frame[name].str.strip() if name in frame else pd.Series("", index=frame.index)
        if field["type"] != "continuous":
            made[name] = given.mask(given == "", None).astype(object)
            continue
        made[name] = pd.to_numeric(given.mask(given == ""), errors="coerce")
        bad = made[name].isna() & (given != "")
        if bad.any():
            raise InputError(f"{path}: {name} is a number, but {examples(given[bad])} is none")
    copies = read_copies(path, frame)
    made = made.loc[made.index.repeat(copies)].reset_index(drop=True)
    number = made.groupby("sample").cumcount() + 1
    several = np.repeat(copies > 1, copies)
    made["sample"] = np.where(several, made["sample"] + "_" + number.astype(str), made["sample"])
    return made


def read_copies(path: str | Path, frame: pd.DataFrame) -> np.ndarray:
    """Number of communities asked for by each row."""
    if "copies" not in frame:
        return np.ones(len(frame), dtype=int)
    bad = frame.loc[~frame["copies"].str.fullmatch(r"[1-9]\d{0,6}"), "copies"]
    if len(bad):
        raise InputError(f"{path}: copies must be whole numbers from 1 on, not {examples(bad)}")
    copies = frame["copies"].astype(int).to_numpy()
    if copies.sum() > MOST:
        raise InputError(f"{path} asks for {copies.sum():,} communities, {MOST:,} at most: split it")
    return copies


def check_known(path: str | Path, made: pd.DataFrame, encoding: dict) -> None:
    """Raise InputError for categories that no training sample has; print numbers beyond what was learned from."""
    for name, field in encoding["fields"].items():
        values = made[name].dropna()
        if "categories" in field:
            strange = sorted(set(values) - set(field["categories"]))
            if strange:
                raise InputError(
                    f"{path}: no training sample has {name}={examples(strange)}; known are "
                    f"{', '.join(map(str, field['categories']))}"
                )
        elif len(values):
            apart = (values - field["mean"]).abs() / field["std"]
            if (apart > 3).any():
                print(f"{name}: {(apart > 3).sum()} values lie over 3 standard deviations from the training mean")
