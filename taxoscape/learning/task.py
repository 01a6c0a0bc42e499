"""What is to be learned, aligned with the samples of the study: groups, folds and a target's values."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import splits, tables
from taxoscape.errors import InputError
from taxoscape.metadata import read_design


@dataclass(frozen=True)
class Task:
    """A target and the folds in which it is predicted; all arrays follow the samples of the study."""

    name: str
    unit: str
    categories: list[str] | None  # None for regression
    values: np.ndarray  # [N] numbers, or text; NaN or None where unknown
    groups: np.ndarray  # [N] text
    fold: np.ndarray  # [N] -1 = not used: no metadata, or the target is missing

    def rows(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """Training and test samples of a fold; InputError where nothing is left to train on."""
        train = np.flatnonzero((self.fold >= 0) & (self.fold != fold))
        if not len(train):
            raise InputError(
                f"metadata.targets.{self.name}: no training sample of fold {fold} has a value: "
                "remove the target or lower metadata.folds"
            )
        return train, np.flatnonzero(self.fold == fold)

    def parts(self, rows: np.ndarray, number: int, seed: tuple[int, ...]) -> np.ndarray:
        """Part [n] of samples `rows` [n] that holds each out: whole groups, stratified by the target.

        There are no more parts than groups; with one group no sample is held out (-1).
        """
        groups = self.groups[rows]
        number = min(max(2, number), len(np.unique(groups)))
        if number < 2:
            return np.full(len(rows), -1)
        labels = splits.strata(pd.Series(self.values[rows]), "classification" if self.categories else "regression")
        return splits.fold_groups(groups, labels, number, int(np.random.SeedSequence(seed).generate_state(1)[0]))


def read_folds(samples: np.ndarray, design: str | Path, splits: str | Path, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Group [N] and fold [N] of each sample of the study, of the repeat that has `fold`; -1 without metadata."""
    group = read_design(design)["group"].reindex(samples).fillna("").to_numpy(dtype=str)
    dealt = read_repeats(samples, splits)
    return group, next(column for column in dealt.T if fold in column)


def read_repeats(samples: np.ndarray, splits: str | Path) -> np.ndarray:
    """Fold [N, R] of each sample in each repeat, numbered through; -1 without metadata."""
    table = tables.read_tsv(splits, "splits").set_index("sample")
    dealt = table[[name for name in table.columns if name.startswith("fold")]].reindex(samples)
    return dealt.fillna("-1").astype(int).to_numpy()


def read_task(
    samples: np.ndarray, design: str | Path, encoding: str | Path, splits: str | Path, name: str, number: int = 0
) -> Task:
    """Read a target, in the repeat that has fold `number`; samples in which it is missing get fold -1, counted."""
    groups, fold = read_folds(samples, design, splits, number)
    kind = json.loads(Path(encoding).read_text())["targets"][name]
    column = read_design(design)[name].reindex(samples)
    known = column.notna().to_numpy()
    print(f"{name}: known for {(known & (fold >= 0)).sum()} of {(fold >= 0).sum()} samples with metadata")
    categories = sorted(set(column.dropna())) if kind["type"] == "classification" else None
    values = column.to_numpy(dtype=object if categories else float)
    return Task(name, kind.get("unit") or "", categories, values, groups, np.where(known, fold, -1))


def read_other_fields(samples: np.ndarray, design: str | Path, encoding: str | Path, name: str) -> np.ndarray:
    """Fields [N, M] of the samples but the target `name` and time: numbers with NaN, categories and missing as 0/1."""
    known = json.loads(Path(encoding).read_text())
    table = read_design(design).reindex(samples)
    columns = [field for field in table.columns if field in known["fields"] and field != name]
    if not columns:
        return np.zeros((len(samples), 0))
    return pd.get_dummies(table[columns], dummy_na=True).to_numpy(dtype=float)
