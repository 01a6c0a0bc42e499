"""A trained predictor as a file: weights, options, scales and the samples it has and has not seen."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from taxoscape import inputs
from taxoscape.aam import finetune, pretrain, tokens
from taxoscape.aam.finetune import Trained
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint
from taxoscape.learning.target import Target


@dataclass(frozen=True)
class Saved:
    """All that a prediction needs."""

    trained: Trained
    base: Encoder
    options: Options
    depth: int  # reads drawn per sample
    seed: int
    learned: list[str]  # ids of the samples that it was trained on
    held: list[str]  # ids of the samples held out from it
    pretrained: bool = True  # whether the base was pretrained, or of random weights


def save(saved: Saved, path: str | Path) -> None:
    """Write a predictor; nothing in it but tensors and plain values."""
    target = saved.trained.target
    checkpoint.save(
        {
            "options": asdict(saved.options),
            "letters": tokens.NUCLEOTIDES,
            "depth": saved.depth,
            "seed": saved.seed,
            "pretrained": saved.pretrained,
            "samples": {"learned": list(saved.learned), "held": list(saved.held)},
            "target": asdict(target) | {"categories": list(target.categories), "quantiles": list(target.quantiles)},
            "base": saved.base.state_dict(),  # an encoder of load_encoder or start: without heads
            "members": [model.state_dict() for model in saved.trained.members],
            "residuals": torch.from_numpy(saved.trained.residuals),
        },
        path,
    )


def load(path: str | Path, **changed: object) -> Saved:
    """Read a predictor; `changed` options (device, threads) take the place of its own.

    Raises InputError for a file that is no trained predictor.
    """
    state = checkpoint.load(path)
    if "members" not in state:
        raise InputError(f"{path} is no trained predictor: give the model.pt that training wrote")
    with inputs.foreign(f"{path}, a trained predictor,", "give a model.pt as this version's training wrote it"):
        return _restored(state, **changed)


def _restored(state: dict, **changed: object) -> Saved:
    options = replace(Options(**state["options"]), **changed)
    lists = {name: tuple(state["target"][name]) for name in ("categories", "quantiles")}
    target = Target(**state["target"] | lists)
    base = pretrain.make_encoder(options)
    base.load_state_dict(state["base"])
    members = [finetune.empty_predictor(base, target, options).to(options.device) for _ in state["members"]]
    for model, weights in zip(members, state["members"], strict=True):
        model.load_state_dict(weights)
        model.eval()
    trained = Trained(target, members, [], np.asarray(state["residuals"]))
    samples = state["samples"]
    seen = samples["learned"], samples["held"]
    return Saved(trained, base.eval(), options, state["depth"], state["seed"], *seen, state["pretrained"])
