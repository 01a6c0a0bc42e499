"""Metadata of samples: typed fields in which missing is a state of its own, and the encoding that networks read.

A design is a table with one row per sample: `group` (text; samples of a group never part), `time` (number), then
every field and target, numbers where they are continuous, text where they are categorical, empty where missing.
"""

import difflib
import re
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import splits, tables
from taxoscape.errors import InputError, examples
from taxoscape.files import read_json

# Ways to write "not known", in small letters: INSDC's reporting terms, R, pandas, spreadsheets, Qiita.
# "none" is not among them: for a drug or a diet it is an answer.
MISSING = frozenset(
    ["", "-", ".", "?", "na", "n/a", "n.a.", "#n/a", "nan", "null", "missing", "unknown", "unspecified", "no data"]
    + ["not applicable", "not collected", "not provided", "not available", "not recorded", "not determined"]
    + ["not reported", "not specified", "restricted access", "labcontrol test"]
)
# INSDC's longer form names the reason: "Missing: Not provided".
MISSING_PREFIX = "missing:"
OWN_COLUMNS = ("sample", "group", "time")
# Folders of results/aam beside those of the targets.
# A target is a folder, and on a cluster Snakemake puts it into a command line between quotes of Python's, which a shell
# reads otherwise: no name with quotes, $, `, commas or braces gets that far.
FOLDER = re.compile(r"\w(?:[\w .%+()-]{0,98}[\w.%+()-])?")
RESULT_FOLDERS = ("pretrain", "checkpoints")


def check_metadata(config: dict, samples: list[str]) -> None:
    """Raise InputError for whatever in section `metadata` or its file would stop the workflow later.

    Reads the metadata file only; `samples` are the ids of the sheet or the table.
    """
    design, _ = build_design(config, samples)
    check_targets(design, config)
    splits.check_shares(design["group"], config["test"], config["validation"])
    splits.check_folds(design["group"], config["folds"])


def build_design(config: dict, samples: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join samples with their metadata: the design (index sample, order of `samples`), and the excluded (sample, why).

    Samples without a row or without a group are refused, or left out where config `unmatched` is `drop`; samples
    with fewer than `min_fields` known fields are left out. Samples that agree in all the group columns form a group.
    """
    frame = read_metadata(config)
    excluded = [_unmatched(config, samples, ~pd.Index(samples).isin(frame.index), "no row in the metadata")]
    frame = frame.loc[[sample for sample in samples if sample in frame.index]]
    group = frame[config["group"]].apply(clean)
    ungrouped = group.isna().any(axis=1).to_numpy(dtype=bool)
    excluded.append(_unmatched(config, frame.index, ungrouped, f"no value in {' or '.join(config['group'])}"))
    design = pd.DataFrame({"group": _join(group)}, index=frame.index)
    design["time"] = numbers(frame[config["time"]["column"]], config) if config["time"] else np.nan
    for name, continuous in columns(config).items():
        design[name] = numbers(frame[name], config) if continuous else clean(frame[name])
    known = design[list(config["fields"])].notna().sum(axis=1)
    few = ~ungrouped & (known < config["min_fields"]).to_numpy()
    why = f"fewer than {config['min_fields']} known fields (metadata.min_fields)"
    excluded.append(pd.DataFrame({"sample": design.index[few], "why": why}))
    design = design[~ungrouped & ~few].rename_axis("sample")
    if design.empty:
        raise InputError(f"no sample of {len(samples)} is left by {config['file']}: see metadata.unmatched, min_fields")
    return design, pd.concat(excluded, ignore_index=True)


def read_metadata(config: dict) -> pd.DataFrame:
    """Read the metadata file as text, indexed by the sample column; check its ids and the columns the config names."""
    path = config["file"]
    if not path:
        raise InputError("metadata.file is not set: give a TSV with one row per sample")
    frame = tables.read_tsv(path, "metadata")
    needed = {"sample": [config["sample"]], "group": config["group"]}
    needed |= {"time": [config["time"]["column"]] if config["time"] else []}
    needed |= {"fields": list(config["fields"]), "targets": list(config["targets"])}
    for key, names in needed.items():
        for name in names:
            if name not in frame:
                near = difflib.get_close_matches(name, frame.columns, n=3, cutoff=0)
                raise InputError(
                    f"metadata.{key}: {path} has no column {name!r}; of its {frame.shape[1]} columns the closest are "
                    f"{', '.join(near)}"
                )
    frame = frame[frame.iloc[:, 0] != "#q2:types"]  # QIIME 2's second line
    ids = frame[config["sample"]].str.strip()
    if (ids == "").any():
        raise InputError(f"metadata {path}: {(ids == '').sum()} rows have no id in column {config['sample']!r}")
    if ids.duplicated().any():
        raise InputError(f"metadata {path} has duplicate ids: {examples(ids[ids.duplicated()].unique())}")
    return frame.set_index(ids)


def columns(config: dict) -> dict[str, bool]:
    """Fields, then targets that are no fields: name -> whether it is continuous. Refuse names and kinds that clash."""
    kinds = {name: field["type"] == "continuous" for name, field in config["fields"].items()}
    for name, kind in config["targets"].items():
        if not FOLDER.fullmatch(name) or name in RESULT_FOLDERS:
            raise InputError(
                f"metadata.targets: {name!r} cannot name a folder in results/aam: rename the column (at most 100 "
                f"letters, digits, blanks and _ . - + % ( ), first a letter or digit, not {', '.join(RESULT_FOLDERS)})"
            )
        if kinds.setdefault(name, kind == "regression") != (kind == "regression"):
            field = config["fields"][name]["type"]
            raise InputError(f"metadata.targets.{name} is {kind} but metadata.fields.{name} is {field}: change one")
    time = config["time"]["column"] if config["time"] else None
    clash = [name for name in kinds if name in OWN_COLUMNS and name != time]
    if clash:
        raise InputError(f"metadata.fields or targets: {clash[0]!r} is a column of the design's own: rename it")
    return kinds


def clean(text: pd.Series) -> pd.Series:
    """Strip blanks; every way of writing "not known" becomes None."""
    text = text.fillna("").str.strip()
    small = text.str.lower()
    return text.astype(object).mask(small.isin(MISSING) | small.str.startswith(MISSING_PREFIX), None)


def numbers(text: pd.Series, config: dict) -> pd.Series:
    """Numbers of a continuous column, NaN where missing; InputError names the first value that is no finite number."""
    known = clean(text)
    values = pd.to_numeric(known, errors="coerce").astype(float)
    bad = known.notna() & ~np.isfinite(values)
    if bad.any():
        first = bad.idxmax()
        raise InputError(
            f"metadata {config['file']}: column {text.name!r} holds {known[first]!r} for sample {first} "
            f"({bad.sum()} such values) but is declared as numbers: mend the value, or declare it categorical"
        )
    return values


def check_targets(design: pd.DataFrame, config: dict) -> None:
    """Raise InputError for a target that nobody has, or of which all samples have the same value."""
    for name, kind in config["targets"].items():
        values = design[name].dropna()
        if values.empty:
            raise InputError(f"metadata.targets.{name}: missing in all {len(design)} samples of {config['file']}")
        if values.nunique() < 2:
            what = "class" if kind == "classification" else "value"
            raise InputError(
                f"metadata.targets.{name}: all {len(values)} samples that have it share one {what} "
                f"({values.iloc[0]!r}): nothing can be learned, remove the target"
            )


def fit_encoding(design: pd.DataFrame, train: np.ndarray, config: dict) -> dict:
    """Fit means, standard deviations and categories of fields and targets on the training rows (`train` [N] bool).

    A column that is constant or unknown in training has standard deviation 1 (and mean 0 where unknown).
    """
    time = config["time"]
    units = {name: field.get("unit") for name, field in config["fields"].items()}
    if time:
        units.setdefault(time["column"], time.get("unit"))
    continuous = columns(config)
    kind = {True: "continuous", False: "categorical"}
    fields = {name: _fit(design.loc[train, name], kind[continuous[name]], units.get(name)) for name in config["fields"]}
    targets = {name: _fit(design.loc[train, name], what, units.get(name)) for name, what in config["targets"].items()}
    return {"fields": fields, "targets": targets, "time": time, "group": config["group"]}


def encode(design: pd.DataFrame, encoding: dict) -> tuple[np.ndarray, np.ndarray]:
    """Encode the fields of a design -> values [N, F] (standardised number or category index), missing [N, F] (bool).

    F follows encoding["fields"]. Missing values, and categories unseen in training, have value 0 and missing True.
    """
    values = np.zeros((len(design), len(encoding["fields"])))
    for column, (name, field) in enumerate(encoding["fields"].items()):
        if field["type"] == "continuous":
            values[:, column] = (design[name] - field["mean"]) / field["std"]
        else:
            values[:, column] = design[name].map({name: index for index, name in enumerate(field["categories"])})
    missing = np.isnan(values)
    return np.where(missing, 0.0, values), missing


def unseen(design: pd.DataFrame, encoding: dict) -> dict[str, int]:
    """Number of samples per categorical field or target whose category no training sample has."""
    learned = encoding["fields"] | encoding["targets"]
    return {
        name: int((design[name].notna() & ~design[name].isin(field["categories"])).sum())
        for name, field in learned.items()
        if "categories" in field
    }


def read_design(path: str | Path) -> pd.DataFrame:
    """Read design.tsv (index sample): time and continuous columns float with NaN, categorical ones text with None.

    The types come from encoding.json, which lies beside it.
    """
    path = Path(path)
    encoding = read_json(path.with_name("encoding.json"))
    learned = encoding["fields"] | encoding["targets"]
    frame = tables.read_tsv(path, "design").set_index("sample").astype(object)
    for name in frame.columns.drop("group"):
        text = frame[name].mask(frame[name] == "", None)
        categorical = name != "time" and "categories" in learned[name]
        frame[name] = text if categorical else pd.to_numeric(text).astype(float)
    return frame


def summarize(config: dict, design: pd.DataFrame, split: pd.DataFrame, excluded: pd.DataFrame, encoding: dict) -> dict:
    """Count samples, groups and known values, per split and fold, for the report."""
    rows = len(read_metadata(config))
    group = design["group"].to_numpy()
    per_split = {
        name: {"samples": int((split["split"] == name).sum()), "groups": len(set(group[split["split"] == name]))}
        for name in splits.NAMES
    }
    return {
        "samples": len(design),
        "groups": design["group"].nunique(),
        "excluded": len(excluded),
        "metadata_rows": rows,
        "metadata_rows_unused": rows - len(design) - int((excluded["why"] != "no row in the metadata").sum()),
        "missing": {name: int(design[name].isna().sum()) for name in columns(config)},
        "unseen_in_training": unseen(design, encoding),
        "splits": per_split,
        "fold_samples": split["fold"].value_counts().sort_index().tolist(),
    }


def _fit(known: pd.Series, kind: str, unit: str | None) -> dict:
    known = known.dropna()
    if kind in ("categorical", "classification"):
        return {"type": kind, "categories": sorted(known.unique())}
    mean, std = (float(known.mean()), float(known.std(ddof=0))) if len(known) else (0.0, 1.0)
    return {"type": kind, "unit": unit, "mean": mean, "std": std if std > 0 else 1.0}


def _unmatched(config: dict, samples: pd.Index, lacking: np.ndarray, why: str) -> pd.DataFrame:
    names = pd.Index(samples)[lacking]
    if len(names) and config["unmatched"] == "error":
        raise InputError(
            f"{len(names)} of {len(samples)} samples have {why} ({config['file']}): {examples(names)}; "
            "mend the file, or set metadata.unmatched: drop"
        )
    return pd.DataFrame({"sample": names, "why": why})


def _join(group: pd.DataFrame) -> pd.Series:
    """Name of each sample's group: the values of all group columns, or the sample's own id where there are none."""
    if group.shape[1] == 0:
        return pd.Series(group.index, index=group.index, dtype=object)
    if group.shape[1] == 1:
        return group.iloc[:, 0]
    escaped = group.fillna("").map(lambda value: value.replace("\\", "\\\\").replace("|", "\\|"))
    return escaped.agg("|".join, axis=1)
