"""A trained predictor as a file: weights, options, scales and the samples it has and has not seen."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from taxoscape import inputs
from taxoscape.aam import finetune, pretrain, tokens
from taxoscape.aam.finetune import Trained
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options
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


@dataclass(frozen=True)
class TrainedPredictor:
    """The same as it is stored: weights in place of networks."""

    options: Options
    letters: str
    depth: int
    seed: int
    learned: list[str]
    held: list[str]
    pretrained: bool
    target: Target
    base: dict[str, torch.Tensor]  # an encoder of load_encoder or start: without heads
    members: list[dict[str, torch.Tensor]]
    residuals: np.ndarray


def save(saved: Saved, path: str | Path) -> None:
    """Write a predictor."""
    own = {name: getattr(saved, name) for name in ("options", "depth", "seed", "learned", "held", "pretrained")}
    stored = TrainedPredictor(
        **own,
        letters=tokens.NUCLEOTIDES,
        target=saved.trained.target,
        base=saved.base.state_dict(),
        members=[model.state_dict() for model in saved.trained.members],
        residuals=saved.trained.residuals,
    )
    checkpoint.save(stored, path)


def load(path: str | Path, **changed: object) -> Saved:
    """Read a predictor; `changed` options (device, threads) take the place of its own.

    Raises InputError for a file that is not a trained predictor.
    """
    stored = checkpoint.load(path, TrainedPredictor, "give the model.pt that training wrote")
    with inputs.foreign(f"{path}, a trained predictor,", "give a model.pt as this version's training wrote it"):
        return _restored(stored, replace(stored.options, **changed))


def _restored(stored: TrainedPredictor, options: Options) -> Saved:
    base = pretrain.make_encoder(options)
    base.load_state_dict(stored.base)
    members = [finetune.empty_predictor(base, stored.target, options).to(options.device) for _ in stored.members]
    for model, weights in zip(members, stored.members, strict=True):
        model.load_state_dict(weights)
        model.eval()
    own = {name: getattr(stored, name) for name in ("depth", "seed", "learned", "held", "pretrained")}
    return Saved(Trained(stored.target, members, [], stored.residuals), base.eval(), options, **own)
