"""What pretraining predicts beside nucleotides: distances between samples, Faith's PD of samples, clades of ASVs.

Distances are learned between the samples of a batch, or in stripe mode to R reference samples: a fixed part of the
training samples whose embeddings lie in a memory bank, so that a batch of B samples costs B x R distances and may be
a single sample.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from taxoscape import inputs
from taxoscape.aam import data
from taxoscape.aam.data import Study
from taxoscape.aam.model import Encoder
from taxoscape.aam.options import Options
from taxoscape.errors import InputError, examples
from taxoscape.learning.batches import Batch

METRICS = ("unifrac", "weighted", "faith_pd", "taxonomy", "combined")
# One draw of reads for all that is computed once; training epochs count from 0 and never reach it.
FIXED_DRAW = 10**6
CHUNK = 256  # sequences embedded at a time where nothing is learned
SINGLES = 48  # imagined samples of one ASV in a batch
PAIRED = 1000  # samples of which all pairs are compared at once, at most: half a million distances


@dataclass(frozen=True)
class Scales:
    """Mean and standard deviation among the training samples, from one draw."""

    distance: tuple[float, float]
    faith: tuple[float, float]  # of the log


def has_distances(options: Options) -> bool:
    """Whether distances between samples are learned."""
    return options.unifrac_metric in ("unifrac", "weighted", "combined")


def has_faith(options: Options) -> bool:
    """Whether Faith's PD is learned."""
    return options.unifrac_metric in ("faith_pd", "combined")


def has_taxonomy(options: Options) -> bool:
    """Whether the clades of ASVs are learned."""
    return options.unifrac_metric in ("taxonomy", "combined")


def weighted(options: Options) -> bool:
    """Whether distances are weighted by abundance."""
    return options.unifrac_metric == "weighted"


def fixed_batches(study: Study, rows: np.ndarray, options: Options, seed: tuple[int, ...]) -> list[Batch]:
    """Batches of samples `rows`, drawn once; a sample's draw is the same whichever others are among them."""
    return list(data.drawn_batches(study, rows, options, (*seed, FIXED_DRAW), rows))


def fixed_branches(study: Study, rows: np.ndarray, options: Options, seed: tuple[int, ...]) -> torch.Tensor:
    """Branches [n, branches] of samples `rows`, drawn once."""
    batches = fixed_batches(study, rows, options, seed)
    return torch.cat([data.branches(batch, study.ancestors, weighted(options)) for batch in batches])


def paired(rows: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    """Samples of `rows` whose pairs stand for those of all: every one, or PAIRED of them drawn."""
    if len(rows) <= PAIRED:
        return rows
    return np.sort(np.random.default_rng((*seed, FIXED_DRAW)).choice(rows, PAIRED, replace=False))


def measure_scales(study: Study, rows: np.ndarray, options: Options, seed: tuple[int, ...]) -> Scales:
    """Scales of what is learned of samples `rows`, or of PAIRED of them; (0.5, 1) and (0, 1) where nothing varies."""
    rows = paired(rows, seed)
    own = fixed_branches(study, rows, options, seed)
    apart = upper(data.distances(own, own, study.lengths, weighted(options)))
    faith = torch.cat(
        [data.faith(batch, study.ancestors, study.lengths) for batch in fixed_batches(study, rows, options, seed)]
    )
    return Scales(_scale(apart, (0.5, 1.0)), _scale(faith, (0.0, 1.0)))


class References:
    """Reference samples of stripe mode: their branches, from one draw, and the memory bank of their embeddings."""

    def __init__(self, study: Study, rows: np.ndarray, options: Options, seed: tuple[int, ...]) -> None:
        self.study, self.rows, self.options = study, rows, options
        self.batches = fixed_batches(study, rows, options, seed)
        self.branches = fixed_branches(study, rows, options, seed)
        self.place = {row: place for place, row in enumerate(rows.tolist())}
        self.z = torch.zeros(len(rows), options.clades or options.embedding_dim, device=study.tokens.device)

    @torch.no_grad()
    def refresh(self, model: Encoder) -> None:
        """Embed all references anew, without dropout: at the start of every epoch, so that a resumed one is equal."""
        training = model.training
        model.eval()
        self.z = embed_batches(model, self.study, self.batches)
        model.train(training)

    @torch.no_grad()
    def remember(self, batch: Batch, z: torch.Tensor) -> None:
        """Keep the embeddings of those samples of a batch that are references."""
        for row, own in zip(batch.rows.tolist(), z.detach().float(), strict=True):
            if row in self.place:
                self.z[self.place[row]] = own

    def others(self, batch: Batch) -> torch.Tensor:
        """Pairs [B, R] of two different samples."""
        return torch.from_numpy(batch.rows[:, None] != self.rows[None, :]).to(self.z.device)


def choose_references(study: Study, train: np.ndarray, options: Options, seed: tuple[int, ...]) -> np.ndarray:
    """Rows of the reference samples: a random part of the training samples, or those that a file names.

    Raises InputError for a file that names none, or samples that are not among the training samples.
    """
    wanted = str(options.reference_samples)
    if wanted.isdigit():
        drawn = np.random.default_rng((*seed, FIXED_DRAW)).permutation(train)
        return np.sort(drawn[: int(wanted)])
    if not inputs.is_regular(wanted):
        raise InputError(f"reference_samples={wanted} is neither a number nor a file: give one of them")
    names = [line.strip() for line in inputs.read_text(wanted, "reference_samples").splitlines() if line.strip()]
    place = {study.samples[row]: row for row in train}
    strange = [name for name in names if name not in place]
    if strange or not names:
        what = f"{len(strange)} samples that are not trained on ({examples(strange)})" if strange else "no sample"
        raise InputError(f"reference_samples: {wanted} names {what}: list ids of training samples, one a line")
    return np.array([place[name] for name in names])


def make_truth(
    study: Study, train: np.ndarray, options: Options, seed: tuple[int, ...], references: References | None
) -> Callable[[Batch], torch.Tensor]:
    """Function that gives the distances a batch must reproduce: [B, B], or [B, R + B] with those to the references.

    With options.lazy_unifrac they are those of the batch's own draw, else looked up in a table of one draw of all.
    """
    kind = weighted(options)

    def between(own: torch.Tensor) -> torch.Tensor:
        others = torch.cat([references.branches, own]) if references else own
        return data.distances(own, others, study.lengths, kind)

    if options.lazy_unifrac:
        return lambda batch: between(data.branches(batch, study.ancestors, kind))
    table = between(fixed_branches(study, train, options, seed))  # [N, R + N]
    first = table.shape[1] - len(train)
    place = {row: place for place, row in enumerate(train.tolist())}

    def looked_up(batch: Batch) -> torch.Tensor:
        rows = [place[row] for row in batch.rows.tolist()]
        return table[rows][:, [*range(first), *(first + row for row in rows)]]

    return looked_up


def distance_loss(
    model: Encoder, z: torch.Tensor, batch: Batch, truth: torch.Tensor, scales: Scales, references: References | None
) -> torch.Tensor | None:
    """Squared error of the distances in units of their variance; None where a batch has no pair.

    With references, the mean of two: over the pairs with a reference, whose embedding is out of the bank and takes no
    gradient, and over the pairs within the batch, if any. (Without the latter, training collapses at high rates.)
    """
    terms = []
    if references:
        bank = references.z.clone()  # remember() writes into the bank before the backward pass reads it
        terms.append((model.unifrac(z, bank) - truth[:, : len(bank)])[references.others(batch)])
        references.remember(batch, z)
    terms.append(upper(model.unifrac(z)) - upper(truth[:, -len(z) :]))
    terms = [(error**2).mean() for error in terms if len(error)]
    return torch.stack(terms).mean() / scales.distance[1] ** 2 if terms else None


def imagine(batch: Batch, generator: torch.Generator) -> list[Batch]:
    """Samples that might be: a random part of each sample's ASVs, and single ASVs.

    The distances between these are as exact as those between samples, and there are many more of them.
    """
    shape, device = batch.present.shape, batch.present.device
    drawn = torch.rand(shape, generator=generator) < torch.rand(shape[0], 1, generator=generator)
    present = batch.present & drawn.to(device)
    left = batch.abundance.masked_fill(~present, -torch.inf).logsumexp(dim=1, keepdim=True)
    parts = replace(batch, present=present, abundance=(batch.abundance - left).masked_fill(~present, 0.0))
    picked = torch.randperm(len(batch.unique), generator=generator)[:SINGLES].to(device)
    single = torch.ones(len(picked), 1, device=device)
    rows = np.full(len(picked), -1)
    return [parts, Batch(rows, batch.unique, picked[:, None], single > 0, 0 * single)]


def imagined_loss(
    model: Encoder, asvs: torch.Tensor, batches: list[Batch], study: Study, options: Options, scales: Scales
) -> torch.Tensor:
    """Squared error of all distances between the samples of `batches` [U ASVs each], in units of their variance.

    asvs [U, D + K]; samples without a branch are left out.
    """
    kind = weighted(options)
    own = torch.cat([data.branches(batch, study.ancestors, kind) for batch in batches])
    z = torch.cat([model.embed(asvs[batch.gather], batch.abundance, batch.present) for batch in batches])
    there = (own > 0).any(dim=1)
    truth = upper(data.distances(own[there], own[there], study.lengths, kind))
    error = upper(model.unifrac(z[there])) - truth
    return (error**2).mean() / scales.distance[1] ** 2 if len(error) else z.sum() * 0.0


def faith_loss(model: Encoder, z: torch.Tensor, batch: Batch, study: Study, scales: Scales) -> torch.Tensor:
    """Squared error of the standardised log of Faith's PD."""
    truth = (data.faith(batch, study.ancestors, study.lengths) - scales.faith[0]) / scales.faith[1]
    return functional.mse_loss(model.faith(z)[:, 0].float(), truth)


def taxonomy_loss(model: Encoder, asvs: torch.Tensor, ranks: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the ranks at which some of the ASVs [U, D] have a clade, ranks [U, R] (-1 = none)."""
    terms = []
    for head, truth in zip(model.ranks, ranks.T, strict=True):
        if (truth >= 0).any():
            terms.append(functional.cross_entropy(head(asvs).float(), truth, ignore_index=-1))
    return torch.stack(terms).mean() if terms else asvs.sum() * 0.0


@torch.no_grad()
def embed_batches(model: Encoder, study: Study, batches: list[Batch]) -> torch.Tensor:
    """Sample embeddings z [n, D] of batches, each of their ASVs encoded once."""
    asvs = embed_taxa(model, study, torch.cat([batch.unique for batch in batches]).unique())
    return torch.cat(
        [model.embed(asvs[batch.unique[batch.gather]], batch.abundance, batch.present) for batch in batches]
    )


@torch.no_grad()
def embed_taxa(model: Encoder, study: Study, taxa: torch.Tensor | None = None) -> torch.Tensor:
    """ASV embeddings [T, D + K] of all taxa, or of those given (zero elsewhere)."""
    taxa = torch.arange(len(study.taxa), device=study.tokens.device) if taxa is None else taxa
    found = torch.cat([model.read(study.tokens[part]) for part in taxa.split(CHUNK)])
    asvs = torch.zeros(len(study.taxa), found.shape[1], device=study.tokens.device)
    asvs[taxa] = found
    return asvs


def upper(square: torch.Tensor) -> torch.Tensor:
    """Entries above the diagonal of [B, B] -> [B (B - 1) / 2]."""
    row, column = torch.triu_indices(*square.shape, offset=1)
    return square[row, column]


def _scale(values: torch.Tensor, otherwise: tuple[float, float]) -> tuple[float, float]:
    if len(values) < 2 or values.std() == 0:
        return otherwise
    return float(values.mean()), float(values.std())
