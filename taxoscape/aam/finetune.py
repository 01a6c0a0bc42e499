"""Fine-tuning: the members of a fold learn a host variable on top of the pretrained encoder.

The training groups are dealt into as many parts as there are members; member m is stopped on part m and trained on
the others. Averaged, they use every training sample, and each sample has a prediction of the member that did not
train on it: its residual calibrates the prediction intervals (CV+; Barber et al. 2021, Annals of Statistics 49:486).
"""

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from taxoscape.aam import pretrain, training
from taxoscape.aam.data import Batch, Study
from taxoscape.aam.model import Encoder, Predictor, SampleEncoder
from taxoscape.aam.options import Options
from taxoscape.aam.predict import outputs_of, predict
from taxoscape.aam.target import Target, fit_target
from taxoscape.aam.task import Task


@dataclass(frozen=True)
class Trained:
    """What a fold has learned."""

    target: Target
    members: list[Predictor]
    histories: list[list[dict[str, float]]]
    residuals: np.ndarray  # [r] truth - prediction of held-out training samples; empty for classification


def train_fold(
    study: Study, base: Encoder, task: Task, fold: int, options: Options, seed: int, folder: Path | None = None
) -> Trained:
    """Train the members of a fold; each predicts the training samples that stopped it."""
    train, _ = task.rows(fold)
    target = fit_target(task.name, task.values[train], task.categories)
    part = deal_groups(task.groups[train], options.members, (seed, fold))
    members, histories, residuals = [], [], [np.zeros(0)]
    for member in range(max(1, part.max() + 1)):
        learned, held = train[part != member], train[part == member]
        store = folder / f"member{member}.pt" if folder else None
        model, history = train_member(
            study, base, target, (learned, held), task.values, options, (seed, fold, member), store
        )
        members.append(model)
        histories.append(history)
        if not target.categories:
            guess = predict(model, study, base, target, held, options, seed)[:, 0]
            residuals.append(task.values[held].astype(float) - guess)
    return Trained(target, members, histories, np.concatenate(residuals))


def predict_fold(
    trained: Trained, study: Study, base: Encoder, rows: np.ndarray, options: Options, seed: int
) -> np.ndarray:
    """Mean of the members' predictions [n, outputs] for samples `rows`."""
    guesses = [predict(model, study, base, trained.target, rows, options, seed) for model in trained.members]
    return np.mean(guesses, axis=0)


def checkpoint_of(trained: Trained, base: Encoder, options: Options) -> dict:
    """State of a fold's models as plain values and tensors."""
    target = trained.target
    return {
        "options": asdict(options),
        "target": {"name": target.name, "categories": list(target.categories), "mean": target.mean, "std": target.std},
        "base": base.state_dict(),
        "members": [model.state_dict() for model in trained.members],
        "residuals": torch.from_numpy(trained.residuals),
    }


def deal_groups(groups: np.ndarray, members: int, seed: tuple[int, ...]) -> np.ndarray:
    """Member [n] that each sample stops: groups shuffled, the largest first, each to the part with fewest samples.

    There are no more parts than groups; with one group nothing is held out (-1).
    """
    names, counts = np.unique(groups, return_counts=True)
    parts = min(members, len(names))
    if len(names) < 2:
        return np.full(len(groups), -1)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-counts[order], kind="stable")]
    filled, part = np.zeros(max(2, parts)), np.zeros(len(names), dtype=np.int64)
    for group in order:
        part[group] = filled.argmin()
        filled[part[group]] += counts[group]
    return part[np.searchsorted(names, groups)]


def train_member(
    study: Study,
    base: Encoder,
    target: Target,
    rows: tuple[np.ndarray, np.ndarray],
    values: np.ndarray,
    options: Options,
    seed: tuple[int, ...],
    store: Path | None = None,
) -> tuple[Predictor, list[dict[str, float]]]:
    """Train one member on rows[0], stopped on rows[1] (may be empty); `values` [N] are the target's raw values.

    With options.freeze_base the ASV embeddings are computed once, and only the sample encoder and the head learn.
    """
    train, held = rows
    truth = target.encode(values)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.stream(*seed))
        model = make_predictor(base, study, train, target, options)
    asvs = pretrain.embed_taxa(base, study) if options.freeze_base else None
    error = loss_function(target, truth[torch.from_numpy(train)], options)
    fixed = list(pretrain.drawn_batches(study, held, options, (*seed, pretrain.VALIDATION_DRAW)))

    def epoch_batches(epoch: int) -> list[Batch]:
        order = np.random.default_rng((*seed, epoch)).permutation(train)
        return list(pretrain.drawn_batches(study, order, options, (*seed, epoch)))

    def losses(batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        batch = hide_asvs(batch, options.dropout, generator)
        return {"target_loss": error(outputs_of(model, study, batch, asvs), truth[batch.rows])}

    def validate() -> dict[str, float]:
        outputs = torch.cat([outputs_of(model, study, batch, asvs) for batch in fixed])
        return {"score": float(error(outputs, truth[held]))}

    history = training.fit(
        model,
        epoch_batches,
        losses,
        validate if len(held) else None,
        options=options,
        epochs=options.epochs,
        steps=-(-len(train) // options.batch_size),
        seed=seed,
        store=store,
    )
    return model, history


def make_predictor(base: Encoder, study: Study, train: np.ndarray, target: Target, options: Options) -> Predictor:
    """Predictor on top of the pretrained encoder.

    A frozen base gives ASV embeddings only; the sample encoder starts anew, on their scale among the training
    samples. (Starting from the pretrained one, it overfits sooner: 2.65 against 2.55 months on ECAM's validation.)
    An unfrozen base is trained further as a whole.
    """
    sizes = {"dim": options.embedding_dim, "heads": options.attention_heads, "layers": options.attention_layers}
    if not options.freeze_base:
        trained = copy.deepcopy(base)
        return Predictor(trained.nucleotide, trained.sample, target.outputs, options.dropout)
    sample = SampleEncoder(**sizes, dropout=options.dropout)
    seen = pretrain.taxa_of(study, train)
    sample.standardise(pretrain.embed_taxa(base, study, seen)[seen])
    return Predictor(None, sample, target.outputs, options.dropout)


def hide_asvs(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Hide a random `share` of each sample's ASVs, so that no prediction hangs on a single one."""
    kept = torch.rand(batch.present.shape, generator=generator) >= share
    return replace(batch, present=batch.present & kept)


def loss_function(target: Target, truth: torch.Tensor, options: Options) -> Callable:
    """Smooth L1 of standardised numbers, or cross-entropy; options.class_weights: n / (classes present * n_class)."""
    if not target.categories:
        return lambda outputs, values: functional.smooth_l1_loss(outputs[:, 0], values)
    weights = None
    if options.class_weights:
        counts = torch.bincount(truth, minlength=len(target.categories)).float()
        weights = torch.where(counts > 0, len(truth) / ((counts > 0).sum() * counts.clamp(min=1)), 0.0)
    return lambda outputs, values: functional.cross_entropy(outputs, values, weight=weights)
