"""A fold's model as a file: weights, options, taxa, scales and the samples it has seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from taxoscape import inputs
from taxoscape.learning import checkpoint
from taxoscape.learning.target import Target
from taxoscape.phenotype.ensemble import Trained
from taxoscape.phenotype.options import Options
from taxoscape.phenotype.training import make_network
from taxoscape.taxa import Taxa


@dataclass(frozen=True)
class PhenotypeModel:
    """What a fold has learned, as it is stored: weights in place of networks."""

    options: Options
    targets: list[Target]
    kept: list[str]  # taxa read one by one
    taxa: Taxa
    fields: list[str]  # metadata fields that it reads
    categories: list[int]
    members: list[dict[str, torch.Tensor]]
    stretch: np.ndarray
    error: np.ndarray
    bound: float
    learned: list[str]  # samples that it was trained on


def save(trained: Trained, fields: Sequence[str], options: Options, learned: Sequence[str], path: str | Path) -> None:
    """Write a model; `fields` are the metadata fields that it reads, `learned` the samples that it was trained on."""
    stored = PhenotypeModel(
        options=options,
        targets=trained.targets,
        kept=list(trained.kept),
        taxa=trained.taxa,
        fields=list(fields),
        categories=list(trained.categories),
        members=[network.state_dict() for network in trained.members],
        stretch=trained.stretch,
        error=trained.error,
        bound=float(trained.bound),
        learned=list(learned),
    )
    checkpoint.save(stored, path)


def load(path: str | Path) -> tuple[Trained, list[str]]:
    """Read a model and the ids of the samples it was trained on; InputError for another kind of file."""
    stored = checkpoint.load(path, PhenotypeModel, "give a results/phenotype/TARGET/foldN/model.pt")
    with inputs.foreign(f"{path}, a model of the stage phenotype,", "give a model.pt as this version wrote it"):
        return _restored(stored), stored.learned


def _restored(stored: PhenotypeModel) -> Trained:
    sizes = len(stored.targets), replace(stored.options, device="cpu")
    members = [make_network(stored.taxa, stored.categories, *sizes) for _ in stored.members]
    for network, weights in zip(members, stored.members, strict=True):
        network.load_state_dict(weights)
        network.eval()
    own = {name: getattr(stored, name) for name in ("targets", "kept", "taxa", "categories", "stretch", "error")}
    return Trained(**own, members=members, histories=[], bound=stored.bound)
