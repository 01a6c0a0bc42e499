"""A trained predictor as a file: networks, options, scales and the samples it has and has not seen."""

from dataclasses import dataclass, replace
from pathlib import Path

from taxoscape import inputs
from taxoscape.aam import finetune, pretrain
from taxoscape.aam.finetune import Trained
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options
from taxoscape.learning import checkpoint


@dataclass(frozen=True)
class TrainedPredictor:
    """All that a prediction needs."""

    trained: Trained
    base: Encoder  # of load_encoder or start: without heads
    options: Options
    depth: int  # reads drawn per sample
    seed: int
    learned: list[str]  # ids of the samples that it was trained on
    held: list[str]  # ids of the samples held out from it
    pretrained: bool = True  # whether the base was pretrained, or of random weights


def save(predictor: TrainedPredictor, path: str | Path) -> None:
    """Write a predictor, without the history of its training."""
    checkpoint.save(replace(predictor, trained=replace(predictor.trained, histories=[])), path)


def load(path: str | Path, **changed: object) -> TrainedPredictor:
    """Read a predictor; `changed` options (device, threads) take the place of its own.

    Raises InputError for a file that is not a trained predictor.
    """
    stored = checkpoint.load(path, TrainedPredictor, "give the model.pt that training wrote")
    options, trained = replace(stored.options, **changed), stored.trained
    with inputs.foreign(f"{path}, a trained predictor,", "give a model.pt as this version's training wrote it"):
        base = pretrain.make_encoder(options)
        base.load_state_dict(stored.base)
        members = [finetune.empty_predictor(base, trained.target, options).to(options.device) for _ in trained.members]
        for model, weights in zip(members, trained.members, strict=True):
            model.load_state_dict(weights)
            model.eval()
    return replace(stored, trained=replace(trained, members=members), base=base.eval(), options=options)
