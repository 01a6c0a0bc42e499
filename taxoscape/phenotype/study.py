"""What a fold learns from: samples as counts of its taxa, their phenotypes, fields and groups, in one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
import torch

from taxoscape import metadata
from taxoscape.errors import InputError
from taxoscape.files import read_json
from taxoscape.learning.batches import read_reads
from taxoscape.learning.target import Target, fit_target
from taxoscape.learning.task import Task, read_task

# A field that agrees with a target (or the time, where that is a target) as closely as this would give it away.
TELLTALE = 0.95


@dataclass(frozen=True)
class Study:
    """Samples [N] of the rarefied table with all their reads."""

    samples: np.ndarray  # ids
    taxa: np.ndarray  # [T] ids
    counts: scipy.sparse.csr_matrix  # [N, T] reads
    depth: int  # reads drawn per sample
    tasks: list[Task]  # one per phenotype
    fields: dict[str, int]  # name -> number of categories, 0 = continuous
    values: np.ndarray  # [N, fields] encoded
    missing: np.ndarray  # [N, fields]

    @property
    def truth(self) -> np.ndarray:
        """Phenotypes [N, D], NaN where unknown."""
        return np.stack([task.values.astype(float) for task in self.tasks], axis=1)

    def known(self, fold: int) -> np.ndarray:
        """Training samples of a fold that have every phenotype; InputError where there is none."""
        used = [set(task.rows(fold)[0]) for task in self.tasks]
        rows = np.array(sorted(set.intersection(*used)), dtype=np.int64)
        if not len(rows):
            names = ", ".join(task.name for task in self.tasks)
            raise InputError(f"no training sample of fold {fold} has all of {names}: set phenotype.joint: false")
        return rows


def read_study(
    table: str | Path,
    rarefied: str | Path,
    folder: Sequence[str | Path],
    targets: Sequence[str],
    with_fields: bool,
    fold: int = 0,
) -> Study:
    """Read the samples of `rarefied`, at its depth; `folder`: design.tsv, encoding.json and splits.tsv.

    The tasks have the folds of the repeat in which `fold` is.
    """
    samples, taxa, counts, depth = read_reads(table, rarefied)
    tasks = [read_task(samples, *folder, name, fold) for name in targets]
    design, encoding = metadata.read_design(folder[0]), read_json(folder[1])
    fields = usable(design, encoding, targets) if with_fields else []
    encoding["fields"] = {name: encoding["fields"][name] for name in fields}
    values, missing = metadata.encode(design.reindex(samples), encoding)
    kinds = {name: len(field.get("categories", ())) for name, field in encoding["fields"].items()}
    return Study(samples, taxa, counts, depth, tasks, kinds, values, missing)


def usable(design, encoding: dict, targets: Sequence[str]) -> list[str]:
    """Fields that may be tokens: no target, and no number that goes with a target as closely as TELLTALE says."""
    found = []
    for name, field in encoding["fields"].items():
        numbers = design[list(targets)].join(design[[name]].rename(columns={name: "field"}))
        near = field["type"] == "continuous" and numbers.corr("spearman")["field"].drop("field").abs().max() >= TELLTALE
        if name not in targets and not near:
            found.append(name)
    print(f"metadata fields read: {', '.join(found) or 'none'} of {', '.join(encoding['fields'])}")
    return found


def common_taxa(study: Study, rows: np.ndarray, prevalence: float) -> np.ndarray:
    """Places of the taxa with reads in at least a share `prevalence` of samples `rows`."""
    return np.flatnonzero(study.counts[rows].getnnz(axis=0) >= max(1, prevalence * len(rows)))


def of_taxa(study: Study, kept: np.ndarray) -> scipy.sparse.csr_matrix:
    """Counts [N, kept + 1] of taxa `kept` (places; -1 = not in this table) and of all others together, the rest."""
    there = np.flatnonzero(kept >= 0)
    place = np.full(study.counts.shape[1], len(kept))
    place[kept[there]] = there
    to = scipy.sparse.csr_matrix(
        (np.ones(len(place), dtype=np.int64), (np.arange(len(place)), place)), shape=(len(place), len(kept) + 1)
    )
    counts = (study.counts @ to).tocsr()
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


def scales(study: Study, rows: np.ndarray) -> list[Target]:
    """Mean and standard deviation of each phenotype among samples `rows`."""
    return [fit_target(task.name, task.values[rows], None) for task in study.tasks]


def encoded(study: Study, targets: Sequence[Target]) -> torch.Tensor:
    """Standardised phenotypes [N, D] float32."""
    return torch.stack([scale.encode(task.values) for scale, task in zip(targets, study.tasks, strict=True)], dim=1)
