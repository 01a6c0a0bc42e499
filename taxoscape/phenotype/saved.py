"""A fold's model as a file: weights, options, taxa, scales and the samples it has and has not seen; no pickle in it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from taxoscape import inputs
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint
from taxoscape.learning.target import Target
from taxoscape.phenotype.ensemble import Trained
from taxoscape.phenotype.options import Options
from taxoscape.phenotype.training import make_network
from taxoscape.taxa import Taxa, as_tensors


def save(trained: Trained, fields: Sequence[str], options: Options, learned: Sequence[str], path: str | Path) -> None:
    """Write a model; `fields` are the metadata fields that it reads, `learned` the samples that it was trained on."""
    checkpoint.save(
        {
            "kind": "phenotype",
            "options": asdict(options),
            "targets": [asdict(target) | {"categories": [], "quantiles": []} for target in trained.targets],
            "kept": list(trained.kept),
            "taxa": as_tensors(trained.taxa),
            "fields": list(fields),
            "categories": list(trained.categories),
            "members": [network.state_dict() for network in trained.members],
            "stretch": trained.stretch.tolist(),
            "error": trained.error.tolist(),
            "bound": float(trained.bound),
            "learned": list(learned),
        },
        path,
    )


def load(path: str | Path) -> tuple[Trained, list[str]]:
    """Read a model and the ids of the samples it was trained on; InputError for a file that is none."""
    state = checkpoint.load(path)
    if state.get("kind") != "phenotype":
        raise InputError(f"{path} is no model of the stage phenotype: give a results/phenotype/TARGET/foldN/model.pt")
    with inputs.foreign(f"{path}, a model of the stage phenotype,", "give a model.pt as this version wrote it"):
        return _restored(state)


def _restored(state: dict) -> tuple[Trained, list[str]]:
    options, taxa = Options(**state["options"]), Taxa(**state["taxa"])
    targets = [Target(**entry | {"categories": (), "quantiles": ()}) for entry in state["targets"]]
    members = [make_network(taxa, state["categories"], len(targets), options) for _ in state["members"]]
    for network, weights in zip(members, state["members"], strict=True):
        network.load_state_dict(weights)
        network.eval()
    trained = Trained(
        targets=targets,
        kept=state["kept"],
        taxa=taxa,
        categories=state["categories"],
        members=members,
        histories=[],
        stretch=np.array(state["stretch"]),
        error=np.array(state["error"]),
        bound=state["bound"],
    )
    return trained, state["learned"]
