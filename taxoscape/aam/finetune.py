"""Fine-tuning: the members of a fold learn a host variable on top of the pretrained encoder.

The training groups are split into as many parts as there are members, stratified by the target; member m is stopped on
part m and trained on the others. Averaged, they use every training sample, and each sample has a prediction of the
member that did not train on it: its residual calibrates the prediction intervals (CV+; Barber et al. 2021, Annals of
Statistics 49:486).
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from taxoscape.aam import data, pretext, pretrain
from taxoscape.aam.data import Study
from taxoscape.aam.model import Encoder, Predictor, SampleEncoder
from taxoscape.aam.options import Options
from taxoscape.aam.predict import encoded, outputs_of, predict
from taxoscape.errors import InputError
from taxoscape.learning import batches, loop
from taxoscape.learning.batches import Batch
from taxoscape.learning.layers import standard_abundance
from taxoscape.learning.loop import Place, Plan
from taxoscape.learning.target import Target, fit_target
from taxoscape.learning.task import Task
from taxoscape.scoring import metrics


@dataclass(frozen=True)
class Trained:
    """What a fold has learned."""

    target: Target
    members: list[Predictor]
    histories: list[list[dict[str, float]]]
    residuals: np.ndarray  # [r] truth - prediction of held-out training samples; empty for classification


def train_fold(
    study: Study, base: Encoder, task: Task, fold: int, options: Options, seed: int, place: Place = Place()
) -> Trained:
    """Train the members of a fold; each predicts the training samples that stopped it."""
    train, _ = task.rows(fold)
    target = fit_target(task.name, task.values[train], task.categories, options.quantiles)
    part = task.parts(train, options.members, (seed, fold))
    members, histories, residuals = [], [], [np.zeros(0)]
    for member in range(max(1, part.max() + 1)):
        learned, held = train[part != member], train[part == member]
        rows, own = (learned, held), place.of(f"member{member}")
        model, history = train_member(study, base, target, rows, task.values, options, (seed, fold, member), own)
        members.append(model)
        histories.append(history)
        if not target.categories:
            guess = predict(model, study, base, target, held, options, seed)[:, target.centre]
            residuals.append(task.values[held].astype(float) - guess)
    return Trained(target, members, histories, np.concatenate(residuals))


def predict_fold(
    trained: Trained, study: Study, base: Encoder, rows: np.ndarray, options: Options, seed: int
) -> np.ndarray:
    """Mean of the members' predictions [n, outputs] for samples `rows`."""
    guesses = [predict(model, study, base, trained.target, rows, options, seed) for model in trained.members]
    return np.mean(guesses, axis=0)


def train_member(
    study: Study,
    base: Encoder,
    target: Target,
    rows: tuple[np.ndarray, np.ndarray],
    values: np.ndarray,
    options: Options,
    seed: tuple[int, ...],
    place: Place = Place(),
) -> tuple[Predictor, list[dict[str, float]]]:
    """Train one member on rows[0], stopped on rows[1] (may be empty); `values` [N] are the target's raw values.

    With options.freeze_base the ASV embeddings are computed once, and only the sample encoder and the head learn.
    """
    train, held = rows
    truth = target.encode(values).to(options.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(loop.stream(*seed))
        model = make_predictor(base, study, train, target, options)
    if options.compile_model:
        pretrain.compile_parts(model)
    asvs = pretext.embed_taxa(base, study)[:, : base.dim] if options.freeze_base else None
    error = loss_function(target, truth[torch.from_numpy(train)], options)
    fixed = list(data.drawn_batches(study, held, options, (*seed, pretext.FIXED_DRAW)))

    def epoch_batches(epoch: int) -> Iterator[Batch]:
        order = np.random.default_rng((*seed, epoch)).permutation(train)
        return data.drawn_batches(study, order, options, (*seed, epoch))

    def losses(batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        batch = batches.hide_asvs(batch, options.dropout, generator)
        if options.count_weight:
            return losses_with_counts(model, study, batch, asvs, error, truth[batch.rows], options, generator)
        outputs = outputs_of(model, study, batch, asvs, options.asv_chunk_size).float()
        return {"target_loss": error(outputs, truth[batch.rows])}

    def validate() -> dict[str, float]:
        outputs = torch.cat([outputs_of(model, study, batch, asvs) for batch in fixed])
        scores = {"target_loss": float(error(outputs, truth[held])), **held_out_metrics(outputs, truth[held], target)}
        if options.count_weight:
            stream = torch.Generator().manual_seed(loop.stream(*seed, pretext.FIXED_DRAW))
            parts = [losses_with_counts(model, study, b, asvs, error, truth[b.rows], options, stream) for b in fixed]
            scores["count_loss"] = float(np.mean([part["count_loss"].item() for part in parts]))
        scores["total_loss"] = scores["target_loss"] + scores.get("count_loss", 0.0)
        return {"score": to_lower(scores, options.best_metric), **scores}

    plan = Plan.of(options, options.epochs, -(-len(train) // options.batch_size))
    return model, loop.fit(
        model, epoch_batches, losses, validate if len(held) else None, plan=plan, seed=seed, place=place
    )


def losses_with_counts(
    model: Predictor,
    study: Study,
    batch: Batch,
    asvs: torch.Tensor | None,
    error: Callable,
    truth: torch.Tensor,
    options: Options,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Loss of the target, and of the abundances hidden from a share options.mask of the ASVs.

    The latter is options.count_weight times the mean squared error of their standardised log shares.
    """
    drawn = torch.rand(batch.present.shape, generator=generator).to(batch.present.device)
    hidden = batch.present & (drawn < options.mask)
    outputs, counts = model.read_with_counts(
        encoded(model, study, batch, asvs, options.asv_chunk_size), batch.abundance, batch.present, hidden
    )
    apart = (counts.float() - standard_abundance(batch.abundance))[hidden]
    count_loss = (apart**2).mean() if len(apart) else counts.sum() * 0.0
    return {"target_loss": error(outputs.float(), truth), "count_loss": options.count_weight * count_loss}


def held_out_metrics(outputs: torch.Tensor, truth: torch.Tensor, target: Target) -> dict[str, float]:
    """Metrics of one draw's outputs [n, outputs] against encoded truth [n]; numbers in the target's unit."""
    outputs, truth = outputs.cpu().numpy(), truth.cpu().numpy()
    if target.categories:
        return metrics.agreement_of(truth, outputs.argmax(axis=1))
    return metrics.fit_of(truth * target.std + target.mean, outputs[:, target.centre] * target.std + target.mean)


def to_lower(scores: dict[str, float], metric: str) -> float:
    """The metric that chooses the epoch, as a number to be low. Raises InputError where it is not a number."""
    if metric == "main":
        metric = "mae" if "mae" in scores else "accuracy"
    value = scores["target_loss" if metric == "loss" else metric]
    if metric != "loss" and np.isnan(value):
        raise InputError(f"best_metric={metric} has no value on these validation samples: use best_metric=loss")
    return value if metric in ("loss", "mae", "mse") else -value


def empty_predictor(base: Encoder, target: Target, options: Options) -> Predictor:
    """Predictor on top of an encoder: with the base frozen ASV embeddings come ready-made, else from a copy of it.

    The sample encoder has random weights, unless the base has a pretrained one and is not frozen.
    """
    sizes = {"dim": options.embedding_dim, "heads": options.attention_heads, "layers": options.attention_layers}
    sample = SampleEncoder(**sizes, dropout=options.dropout)
    nucleotide = None
    if not options.freeze_base:
        nucleotide = copy.deepcopy(base.nucleotide)
        sample = copy.deepcopy(base.sample) or sample
    return Predictor(nucleotide, sample, target.outputs, options.dropout, options.count_weight > 0)


def make_predictor(base: Encoder, study: Study, train: np.ndarray, target: Target, options: Options) -> Predictor:
    """Predictor on top of the pretrained encoder.

    A frozen base gives ASV embeddings only; the sample encoder starts anew, on their scale among the training
    samples. (Starting from the pretrained one, it overfits sooner: 2.65 against 2.55 months on ECAM's validation.)
    An unfrozen base is trained further as a whole.
    """
    model = empty_predictor(base, target, options).to(options.device)
    if options.freeze_base or base.sample is None:
        seen = pretrain.taxa_of(study, train)
        model.sample.standardise(pretext.embed_taxa(base, study, seen)[seen, : base.dim])
    return model


def pinball(outputs: torch.Tensor, values: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Mean over samples and levels q of max(q e, (q - 1) e), e = value - quantile (Koenker and Bassett 1978).

    outputs [n, Q], values [n], levels [Q]; twice the mean, so that at q = 0.5 it is the mean absolute error.
    """
    apart = values[:, None] - outputs
    return 2 * torch.maximum(levels * apart, (levels - 1) * apart).mean()


def loss_function(target: Target, truth: torch.Tensor, options: Options) -> Callable:
    """Smooth L1 of standardised numbers, pinball loss of quantiles, or cross-entropy.

    options.class_weights: n / (classes present * n_class).
    """
    if target.quantiles:
        levels = torch.tensor(target.quantiles, device=truth.device)
        return lambda outputs, values: pinball(outputs, values, levels)
    if not target.categories:
        return lambda outputs, values: functional.smooth_l1_loss(outputs[:, 0], values)
    weights = None
    if options.class_weights:
        counts = torch.bincount(truth, minlength=len(target.categories)).float()
        weights = torch.where(counts > 0, len(truth) / ((counts > 0).sum() * counts.clamp(min=1)), 0.0)
    return lambda outputs, values: functional.cross_entropy(outputs, values, weight=weights)
