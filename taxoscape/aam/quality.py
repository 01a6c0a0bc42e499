"""What pretraining has learned, on samples and ASVs that it has not seen."""

import numpy as np
import torch

from taxoscape.aam import data, pretext, pretrain, recall, tokens
from taxoscape.aam.data import Study
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options
from taxoscape.learning import loop
from taxoscape.learning.batches import Batch
from taxoscape.scoring import metrics


@torch.no_grad()
def judge(
    model: Encoder, study: Study, train: np.ndarray, test: np.ndarray, options: Options, seed: tuple[int, ...]
) -> dict:
    """Hold a pretrained encoder beside what is to be had without learning, on pretext.PAIRED samples at most.

    Distances between test samples against an affine fit on ASV Jaccard distance, the log of Faith's PD against one on
    the log of the number of ASVs (fitted on training samples); masked nucleotides, and clades, of ASVs that differ in
    the bases read from all that the encoder knows (of all ASVs where there are none) against the commonest nucleotide
    of each position, the nearest ASV that it knows, and the commonest clade of each rank. What was not learned is left
    out.
    """
    fixed = [
        list(data.drawn_batches(study, pretext.paired(rows, seed), options, (*seed, pretext.FIXED_DRAW + 1)))
        for rows in (train, test)
    ]
    report = {"samples": len(pretext.paired(test, seed)), "metric": options.unifrac_metric}
    if pretext.has_distances(options):
        report |= distance_quality(model, study, fixed, options)
    if pretext.has_faith(options):
        report |= faith_quality(model, study, fixed, pretext.measure_scales(study, train, options, seed))
    seen_asvs = np.asarray(study.counts[train].sum(axis=0)).ravel() > 0
    known = model.recall.known[:, : study.tokens.shape[1] - 1].long()
    # ASVs longer than max_bp may agree in all that is read of them.
    strange = ~np.isin(*(recall.key(part).cpu().numpy() for part in (study.tokens[:, 1:], known)))
    new = strange if strange.any() else np.ones(len(strange), dtype=bool)
    generator = torch.Generator().manual_seed(loop.stream(*seed))
    report |= {"asvs_new": int(strange.sum())}
    if pretext.has_taxonomy(options):
        report |= clade_quality(model, study, new, seen_asvs)
    return report | nucleotide_quality(model, study, new, known, options, generator)


@torch.no_grad()
def embeddings(model: Encoder, study: Study, train: np.ndarray, options: Options, seed: tuple[int, ...]) -> dict:
    """Sample embeddings [N, D] of all samples by the pretrained encoder, and by one of random weights: its control."""
    batches = list(data.drawn_batches(study, np.arange(len(study.samples)), options, (*seed, pretext.FIXED_DRAW + 1)))
    encoders = {"pretrained": model, "random": pretrain.untrained(study, train, options, seed)}
    return {
        "samples": study.samples,
        "fold": seed[-1],
        **{name: pretext.embed_batches(encoder, study, batches).cpu().numpy() for name, encoder in encoders.items()},
    }


def distance_quality(model: Encoder, study: Study, fixed: list[list[Batch]], options: Options) -> dict:
    """R2 of the distances of test samples (fixed[1]), and of an affine fit on Jaccard of the training's (fixed[0])."""
    fit_truth, fit_jaccard = _distances_and_jaccard(study, fixed[0], options)
    _, guess = pretrain.predicted_distances(model, study, fixed[1], options)
    truth, jaccard = _distances_and_jaccard(study, fixed[1], options)
    report = {"pairs": len(truth), "unifrac_r2": None, "jaccard_r2": None}
    if len(truth) > 1 and len(fit_truth) > 1:
        slope, offset = np.polyfit(fit_jaccard, fit_truth, 1)
        report["unifrac_r2"] = metrics.determination(truth, guess.cpu().numpy())
        report["jaccard_r2"] = metrics.determination(truth, slope * jaccard + offset)
    return report


def faith_quality(model: Encoder, study: Study, fixed: list[list[Batch]], scales: pretext.Scales) -> dict:
    """R2 of the log of Faith's PD of test samples, and of an affine fit on the log of the number of ASVs."""
    if not all(fixed):
        return {"faith_r2": None, "richness_r2": None}
    (fit_truth, fit_richness), (truth, richness) = (_faith_and_richness(study, batches) for batches in fixed)
    guess = model.faith(pretext.embed_batches(model, study, fixed[1]))[:, 0] * scales.faith[1] + scales.faith[0]
    slope, offset = np.polyfit(fit_richness, fit_truth, 1)
    return {
        "faith_r2": metrics.determination(truth, guess.cpu().numpy()),
        "richness_r2": metrics.determination(truth, slope * richness + offset),
    }


def clade_quality(model: Encoder, study: Study, new: np.ndarray, known: np.ndarray) -> dict:
    """Per rank, the share of the ASVs `new` that have a clade whose clade was found, and the commonest's share."""
    taxa = torch.from_numpy(np.flatnonzero(new)).to(study.tokens.device)
    asvs = pretext.embed_taxa(model, study, taxa)[taxa, : model.dim]
    ranks, seen = study.ranks[taxa].cpu().numpy(), study.ranks.cpu().numpy()[known]
    found, commonest = [], []
    for rank, head in enumerate(model.ranks):
        there, counted = ranks[:, rank] >= 0, seen[seen[:, rank] >= 0, rank]
        most = np.bincount(counted).argmax() if len(counted) else -2
        right = head(asvs).argmax(dim=1).cpu().numpy() == ranks[:, rank]
        found.append(float(right[there].mean()) if there.any() else None)
        commonest.append(float((ranks[there, rank] == most).mean()) if there.any() else None)
    return {"clades_found": found, "commonest_clade": commonest}


def nucleotide_quality(
    model: Encoder, study: Study, new: np.ndarray, known: torch.Tensor, options: Options, generator: torch.Generator
) -> dict[str, float]:
    """Share of masked nucleotides of the ASVs `new` [T] that are restored.

    By the model, by the consensus of the sequences `known` [K, L], and by copying the one of these that agrees in most
    of the unmasked positions (no sequence copies itself).
    """
    clean = study.tokens[torch.from_numpy(new)]
    seen, masked = tokens.mask_nucleotides(clean, options.mask, generator)
    truth, masked = clean[:, 1:], masked[:, 1:]
    guess = [
        model.restore(part, whole).argmax(dim=2) + 1
        for part, whole in zip(seen.split(pretext.CHUNK), clean.split(pretext.CHUNK), strict=True)
    ]
    base = tokens.letters(known).sum(dim=0)
    guesses = {
        "masked": torch.cat(guess),
        "consensus": (base.argmax(dim=1) + 1).expand_as(truth),
        "nearest": nearest_asv(seen[:, 1:], clean[:, 1:], known),
    }
    return {f"{name}_accuracy": float((said == truth)[masked].float().mean()) for name, said in guesses.items()}


def nearest_asv(seen: torch.Tensor, clean: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Letters [n, L] of the sequence of `known` [K, L] that shares most letters with each of `seen` [n, L], masked.

    A masked letter agrees with none, and none is itself: `clean` [n, L] are the whole sequences.
    """
    agree = tokens.letters(seen).flatten(1) @ tokens.letters(known).flatten(1).T
    agree[recall.key(clean)[:, None] == recall.key(known)[None, :]] = -1
    return known[agree.argmax(dim=1)]


def _distances_and_jaccard(study: Study, batches: list[Batch], options: Options) -> tuple[np.ndarray, np.ndarray]:
    if not batches:
        return np.zeros(0), np.zeros(0)
    kind, leaves = pretext.weighted(options), torch.eye(len(study.taxa), device=study.tokens.device)
    own = torch.cat([data.branches(batch, study.ancestors, kind) for batch in batches])
    asvs = torch.cat([data.branches(batch, leaves) for batch in batches])  # every ASV its own branch: Jaccard
    squares = data.distances(own, own, study.lengths, kind), data.distances(asvs, asvs, torch.ones_like(leaves[0]))
    return tuple(pretext.upper(square).double().cpu().numpy() for square in squares)


def _faith_and_richness(study: Study, batches: list[Batch]) -> tuple[np.ndarray, np.ndarray]:
    faith = torch.cat([data.faith(batch, study.ancestors, study.lengths) for batch in batches])
    richness = torch.cat([batch.present.sum(dim=1) for batch in batches])
    return faith.double().cpu().numpy(), torch.log1p(richness.double()).cpu().numpy()
