"""Splits that keep groups whole: train, validation and test, and folds, balanced over a target where possible.

A group (a subject, say) is never divided, so no model is tested on someone whom it has seen.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from taxoscape.errors import InputError

NAMES = ("train", "validation", "test")
QUANTILES = 5  # strata of a regression target
UNKNOWN = -1  # stratum of samples whose target is missing


def make_splits(design: pd.DataFrame, config: dict, seed: int) -> pd.DataFrame:
    """Table sample, split (train | validation | test), fold (0..k-1) for the rows of a design.

    With config["repeats"] above 1 the groups are dealt into folds anew: fold_2 (k..2k-1), and so on. All are
    stratified by the first target; where groups are many enough, each class and quantile of every target keeps a
    group in training. Raises InputError when the groups are too few.
    """
    groups = design["group"].to_numpy()
    labels = [strata(design[name], kind) for name, kind in config["targets"].items()]
    labels = np.array(labels or [np.zeros(len(design), dtype=int)]).T  # [N, T]
    split = split_groups(groups, labels, config["test"], config["validation"], seed)
    table = pd.DataFrame({"sample": design.index, "split": split})
    for repeat in range(config["repeats"]):
        fold = fold_groups(groups, labels[:, 0], config["folds"], seed + repeat)
        table[f"fold_{repeat + 1}" if repeat else "fold"] = fold + repeat * config["folds"]
    return table


def strata(values: pd.Series, kind: str) -> np.ndarray:
    """Stratum of each sample [N]: its class, or the quantile of its number; UNKNOWN where missing."""
    if kind == "classification":
        return pd.factorize(values, sort=True)[0]
    return pd.qcut(values, QUANTILES, labels=False, duplicates="drop").fillna(UNKNOWN).to_numpy(dtype=int)


def split_groups(groups: np.ndarray, labels: np.ndarray, test: float, validation: float, seed: int) -> np.ndarray:
    """Split of each sample [N] from its group [N] and strata [N, T]; `test`, `validation` are shares of the groups.

    The groups, ordered by their commonest stratum, are cut into as many runs as a split needs groups, and one group
    is drawn from each run.
    """
    tested, validated = check_shares(groups, test, validation)
    generator = np.random.default_rng(seed)
    names, index = np.unique(groups, return_inverse=True)
    stays = _anchors(index, labels, len(names) - tested - validated, generator)
    ordered = _by_stratum(index, labels[:, 0], generator)
    split = np.full(len(names), "train", dtype=object)
    for name, number in (("test", tested), ("validation", validated)):
        free = [group for group in ordered if group not in stays and split[group] == "train"]
        split[[generator.choice(run) for run in np.array_split(free, number)]] = name
    return split[index]


def fold_groups(groups: np.ndarray, labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Fold of each sample [N], 0..folds-1, from its group [N] and stratum [N]; no fold is empty.

    StratifiedGroupKFold; where every sample is its own group, or where that leaves a fold empty, the groups,
    ordered by stratum, are dealt out like cards.
    """
    check_folds(groups, folds)
    names, index = np.unique(groups, return_inverse=True)
    fold = np.zeros(len(groups), dtype=int)
    if len(names) < len(groups) and np.bincount(labels - labels.min()).max() >= folds:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class rarer than the number of folds
            for number, (_, held) in enumerate(splitter.split(labels, labels, groups)):
                fold[held] = number
        if len(np.unique(fold)) == folds:
            return fold
    generator = np.random.default_rng(seed)
    dealt = np.empty(len(names), dtype=int)
    dealt[_by_stratum(index, labels, generator)] = np.arange(len(names)) % folds
    return dealt[index]


def check_shares(groups: np.ndarray, test: float, validation: float) -> tuple[int, int]:
    """Number of groups in test and in validation, at least one each; InputError when none is left to train on."""
    number = len(set(groups))
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise InputError(
            f"metadata.test={test:g} and metadata.validation={validation:g} must be above 0 and below 1 together"
        )
    tested, validated = max(1, round(test * number)), max(1, round(validation * number))
    if tested + validated >= number:
        raise InputError(
            f"{number} groups of samples cannot be split into train, validation ({validated}) and test ({tested}): "
            "at least 3 are needed; set metadata.group: [] (every sample on its own) or lower metadata.test"
        )
    return tested, validated


def check_folds(groups: np.ndarray, folds: int) -> None:
    """Raise InputError when there are fewer groups than folds."""
    number = len(set(groups))
    if folds < 2 or number < folds:
        raise InputError(
            f"metadata.folds={folds} but the {len(groups)} samples form {number} groups: "
            f"set metadata.folds between 2 and {number}, or metadata.group: [] (every sample on its own)"
        )


def _by_stratum(index: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Groups [G] ordered by their commonest stratum, at random within it, strata in random order."""
    counts = pd.crosstab(index, labels).to_numpy()  # [G, L]
    rank = generator.permutation(counts.shape[1])
    return np.lexsort((generator.random(len(counts)), rank[counts.argmax(axis=1)]))


def _anchors(index: np.ndarray, labels: np.ndarray, room: int, generator: np.random.Generator) -> set[int]:
    """Groups that stay in training so that each stratum of each target is seen there, at most `room`, rarest first."""
    holders = [np.unique(index[column == label]) for column in labels.T for label in np.unique(column[column >= 0])]
    stays = set()
    for groups in sorted(holders, key=len):
        if len(stays) < room and not stays & set(groups):
            stays.add(int(generator.choice(groups)))
    return stays
