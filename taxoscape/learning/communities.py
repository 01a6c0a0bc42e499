"""What the stages before hand over: retained counts with encoded conditions and splits, in one order of samples."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from taxoscape import metadata
from taxoscape.errors import InputError, examples
from taxoscape.files import read_npz
from taxoscape.tables import read_tsv


@dataclass(frozen=True)
class Samples:
    """Counts [N, D] with their conditions: encoded values [N, F] and missing flags [N, F]."""

    counts: np.ndarray
    values: np.ndarray
    missing: np.ndarray
    places: np.ndarray | None = None  # [N, K, D] K draws of where in [c, c + 1) each count lies, in 256ths

    def take(self, rows: np.ndarray) -> "Samples":
        """Samples at these rows (indices or flags)."""
        places = None if self.places is None else self.places[rows]
        return Samples(self.counts[rows], self.values[rows], self.missing[rows], places)


@dataclass(frozen=True)
class Study:
    """Samples [N] with their split (train | validation | test) and group, taxa [D], depth in reads, and fields [F]."""

    names: np.ndarray
    taxa: np.ndarray
    depth: int
    samples: Samples
    split: np.ndarray
    groups: np.ndarray
    conditions: pd.DataFrame  # the fields as they are in the metadata
    categories: list[int]  # per field: number of categories, 0 = continuous

    def rows(self, split: str) -> np.ndarray:
        """Indices of a split's samples."""
        return np.flatnonzero(self.split == split)


def read_study(composition: str | Path, design: str | Path, encoding: str | Path, splits: str | Path) -> Study:
    """Read composition.npz, design.tsv, encoding.json and splits.tsv; refuse them where their samples differ."""
    names, taxa, counts, depth = read_npz(composition, ["samples", "taxa", "counts", "depth"]).values()
    learned = json.loads(Path(encoding).read_text())
    frame, split = metadata.read_design(design), read_tsv(splits, "splits").set_index("sample")["split"]
    for what, index in ((design, frame.index), (splits, split.index)):
        lacking = [name for name in names if name not in index]
        if lacking:
            raise InputError(f"{len(lacking)} samples of {composition} are not in {what}: {examples(lacking)}")
    frame = frame.loc[names]
    values, missing = metadata.encode(frame, learned)
    return Study(
        names=names,
        taxa=taxa,
        depth=int(depth),
        samples=Samples(counts.astype(np.int64), values, missing),
        split=split[names].to_numpy(),
        groups=frame["group"].astype(str).to_numpy(),
        conditions=frame[list(learned["fields"])],
        categories=[len(field.get("categories", ())) for field in learned["fields"].values()],
    )


def condition_rows(study: Study, number: int, seed: int) -> np.ndarray:
    """Rows [number] of test samples whose conditions communities are generated for (all samples where none is test).

    Each row is used once before any is used twice, so that the conditions are distributed as the test samples' are.
    """
    rows = study.rows("test")
    rows = rows if len(rows) else np.arange(len(study.names))
    rng = np.random.default_rng((seed, 5))
    rounds = [rng.permutation(rows) for _ in range(-(-number // len(rows)))]
    return np.concatenate(rounds)[:number]


def generated_conditions(study: Study, rows: np.ndarray) -> pd.DataFrame:
    """Names of generated samples, the test sample whose conditions each one has, and these conditions."""
    conditions = study.conditions.iloc[rows].reset_index(drop=True)
    conditions.insert(0, "conditions_of", study.names[rows])
    width = len(str(len(rows)))
    conditions.insert(0, "sample", [f"generated{number:0{width}d}" for number in range(1, len(rows) + 1)])
    return conditions
