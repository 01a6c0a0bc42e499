"""What pretraining has learned, on samples and ASVs that it has not seen."""

import numpy as np
import torch
from torch.nn import functional

from taxoscape.aam import data, metrics, pretrain, tokens, training
from taxoscape.aam.data import Batch, Study
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options


@torch.no_grad()
def judge(
    model: Encoder, study: Study, train: np.ndarray, test: np.ndarray, options: Options, seed: tuple[int, ...]
) -> dict:
    """Hold a pretrained encoder beside what is to be had without learning.

    UniFrac between test samples against an affine fit on ASV Jaccard distance (fitted on training pairs); masked
    nucleotides of ASVs absent from the training samples (of all ASVs where there are none) against the commonest
    nucleotide of each position.
    """
    fixed = [
        list(data.drawn_batches(study, rows, options, (*seed, pretrain.VALIDATION_DRAW + 1))) for rows in (train, test)
    ]
    fit_truth, fit_jaccard = _distances_and_jaccard(study, fixed[0])
    truth, guess = pretrain.predicted_distances(model, study, fixed[1])
    report = {"samples": len(test), "pairs": len(truth), "unifrac_r2": None, "jaccard_r2": None}
    if len(truth) > 1 and len(fit_truth) > 1:
        slope, offset = np.polyfit(fit_jaccard, fit_truth, 1)
        report["unifrac_r2"] = metrics.determination(truth.cpu().numpy(), guess.cpu().numpy())
        jaccard = _distances_and_jaccard(study, fixed[1])[1]
        report["jaccard_r2"] = metrics.determination(truth.cpu().numpy(), slope * jaccard + offset)
    seen_asvs = np.asarray(study.counts[train].sum(axis=0)).ravel() > 0
    new = ~seen_asvs if (~seen_asvs).any() else np.ones(len(seen_asvs), dtype=bool)
    generator = torch.Generator().manual_seed(training.stream(*seed))
    return (
        report
        | {"asvs_new": int((~seen_asvs).sum())}
        | nucleotide_quality(model, study, new, seen_asvs, options, generator)
    )


def nucleotide_quality(
    model: Encoder, study: Study, new: np.ndarray, known: np.ndarray, options: Options, generator: torch.Generator
) -> dict[str, float]:
    """Share of masked nucleotides of the ASVs `new` restored by the model, and by the consensus of the ASVs `known`."""
    clean = study.tokens[torch.from_numpy(new)]
    seen, masked = tokens.mask_nucleotides(clean, options.mask, generator)
    truth, masked = clean[:, 1:], masked[:, 1:]
    guess = [
        model.nucleotide.expect(model.nucleotide.hide(part), truth.shape[1]).argmax(dim=2) + 1
        for part in seen.split(pretrain.CHUNK)
    ]
    base = functional.one_hot(study.tokens[torch.from_numpy(known), 1:], tokens.VOCABULARY)[..., 1:5].sum(dim=0)
    consensus = (base.argmax(dim=1) + 1).expand_as(truth)
    return {
        "masked_accuracy": float((torch.cat(guess) == truth)[masked].float().mean()),
        "consensus_accuracy": float((consensus == truth)[masked].float().mean()),
    }


def _distances_and_jaccard(study: Study, batches: list[Batch]) -> tuple[np.ndarray, np.ndarray]:
    if not batches:
        return np.zeros(0), np.zeros(0)
    batch = pretrain.merged(batches)
    leaves = torch.eye(len(study.taxa), device=study.tokens.device)  # every ASV its own branch: Jaccard
    distances = (
        data.unifrac(batch, study.ancestors, study.lengths),
        data.unifrac(batch, leaves, leaves[0] * 0 + 1),
    )
    return tuple(pretrain.upper(square).double().cpu().numpy() for square in distances)
