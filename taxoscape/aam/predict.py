"""Prediction: several rarefaction draws, averaged, by every member of a fold; intervals from held-out residuals."""

import numpy as np
import pandas as pd
import torch

from taxoscape.aam import data, pretext
from taxoscape.aam.data import Study
from taxoscape.aam.model import Encoder, Predictor
from taxoscape.aam.options import Options
from taxoscape.learning.batches import Batch, sample_keys
from taxoscape.learning.target import Target

# Stream of the draws that predictions average; no epoch reaches it.
PREDICTION_DRAW = 2 * 10**6


@torch.no_grad()
def predict(
    model: Predictor, study: Study, base: Encoder, target: Target, rows: np.ndarray, options: Options, seed: int
) -> np.ndarray:
    """Predict samples `rows` [n]: numbers in the target's unit [n, 1], or class probabilities [n, C].

    Averages options.prediction_draws rarefaction draws, the same for all models of one seed. A sample's draws depend on
    its id alone, so that its prediction does not depend on which others are in the table.
    """
    if not len(rows):
        return np.zeros((0, target.outputs))
    asvs = pretext.embed_taxa(base, study)[:, : base.dim] if model.nucleotide is None else None
    total = torch.zeros(len(rows), target.outputs, device=study.tokens.device)
    keys = sample_keys(study.samples[rows])
    for draw in range(options.prediction_draws):
        batches = data.drawn_batches(study, rows, options, (seed, PREDICTION_DRAW + draw), keys)
        outputs = torch.cat([outputs_of(model, study, batch, asvs) for batch in batches])
        total += outputs.softmax(dim=1) if target.categories else outputs * target.std + target.mean
    return (total / options.prediction_draws).double().cpu().numpy()


def outputs_of(model: Predictor, study: Study, batch: Batch, asvs: torch.Tensor | None, chunk: int = 0) -> torch.Tensor:
    """Outputs [B, outputs] for a batch; `asvs` [T, D] are the cached embeddings of a frozen base, else None."""
    return model(encoded(model, study, batch, asvs, chunk), batch.abundance, batch.present)


def encoded(model: Predictor, study: Study, batch: Batch, asvs: torch.Tensor | None, chunk: int = 0) -> torch.Tensor:
    """Embeddings [B, S, D] of a batch's ASVs, computed or from the cache `asvs` [T, D]."""
    if asvs is None:
        return model.nucleotide.embed(study.tokens[batch.unique], chunk)[batch.gather]
    return asvs[batch.unique[batch.gather]]


def half_width(residuals: np.ndarray, coverage: float) -> float:
    """Half width of the conformal interval: the ceil((n + 1) coverage)-th smallest |residual|, the largest if too few.

    NaN without residuals. Split conformal prediction (Lei et al. 2018, JASA 113:1094) with residuals of samples that
    the predicting member did not train on. They did choose its epoch, so coverage is nominal, not guaranteed.
    """
    if not len(residuals):
        return np.nan
    rank = int(np.ceil((len(residuals) + 1) * coverage))
    return float(np.sort(np.abs(residuals))[min(rank, len(residuals)) - 1])


def frame(
    samples: np.ndarray, fold: int, truth: np.ndarray, predicted: np.ndarray, target: Target, width: float
) -> pd.DataFrame:
    """Predictions as a table: sample, fold, truth, prediction, then low and high, or p_<category>."""
    return pd.DataFrame({"sample": samples, "fold": fold, "truth": truth, **columns(predicted, target, width)})


def columns(predicted: np.ndarray, target: Target, width: float) -> dict[str, np.ndarray]:
    """Columns of predictions [n, outputs]: prediction, low and high, q_<quantile> where learned; or p_<category>."""
    if target.categories:
        said = {"prediction": np.array(target.categories, dtype=object)[predicted.argmax(axis=1)]}
        return said | {f"p_{name}": predicted[:, place] for place, name in enumerate(target.categories)}
    centre = predicted[:, target.centre]
    quantiles = np.sort(predicted, axis=1)  # they are learned one by one and may cross
    named = {f"q_{level:g}": quantiles[:, place] for place, level in enumerate(target.quantiles)}
    return {"prediction": centre, "low": centre - width, "high": centre + width, **named}
