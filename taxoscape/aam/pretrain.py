"""Pretraining without labels: masked nucleotides restored, and what pretext.py adds, of samples or of ASVs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from taxoscape import inputs
from taxoscape.aam import data, pretext, tokens
from taxoscape.aam.data import Study
from taxoscape.aam.model import Encoder, Predictor
from taxoscape.aam.options import Options
from taxoscape.aam.pretext import References, Scales
from taxoscape.errors import InputError, examples
from taxoscape.learning import batches, checkpoint, loop
from taxoscape.learning.batches import Batch
from taxoscape.learning.loop import Place, Plan
from taxoscape.learning.processes import team
from taxoscape.scoring import metrics

SIZES = ("embedding_dim", "attention_heads", "attention_layers", "max_bp", "patch", "clades")
HEADS = ("faith.", "ranks.", "recall.")  # weights that only pretraining uses
OTHER_STUDIES = (
    "the samples of this study: aam.encoder is to be one of other studies; the workflow itself pretrains it further on "
    "the training samples of each fold"
)
KEPT = (
    "recall.doubt",
    "recall.sharpness",
    "recall.nearby",
)  # of these, what pretraining on another study goes on from


@dataclass(frozen=True)
class Bank:
    """Reference samples of stripe mode and their embeddings [R, K or D]."""

    samples: list[str]
    z: torch.Tensor


@dataclass(frozen=True)
class PretrainedEncoder:
    """A pretrained encoder: its sizes, weights, the samples that it learned from, and what its heads predicted."""

    sizes: dict[str, int]
    model: dict[str, torch.Tensor]
    samples: list[str]
    references: Bank | None  # of stripe mode
    clades: list[list[str]]  # of the taxonomy heads


@dataclass(frozen=True)
class Goal:
    """What is to be predicted of the batches, and on which scales."""

    scales: Scales
    truth: Callable[[Batch], torch.Tensor]  # distances of a batch
    references: References | None  # of stripe mode


def make_encoder(options: Options, faith: bool = False, classes: tuple[int, ...] = (), recall: bool = False) -> Encoder:
    """Encoder of the options' size, with random weights, on the options' device; heads as in Encoder."""
    sizes = (options.embedding_dim, options.attention_heads, options.attention_layers)
    kind = options.clades, pretext.weighted(options)
    model = Encoder(*sizes, options.dropout, options.max_bp, options.patch, *kind, faith, classes, recall)
    return model.to(options.device)


def split_groups(groups: np.ndarray, share: float, seed: tuple[int, ...]) -> np.ndarray:
    """Validation flags [n]: a random `share` of the groups, at least one, never all; none where there is one group."""
    names = np.unique(groups)
    if len(names) < 2:
        return np.zeros(len(groups), dtype=bool)
    held = min(len(names) - 1, max(1, round(share * len(names))))
    return np.isin(groups, np.random.default_rng(seed).permutation(names)[:held])


def pretrain(
    study: Study,
    rows: np.ndarray,
    groups: np.ndarray,
    options: Options,
    seed: tuple[int, ...],
    place: Place = Place(),
) -> tuple[Encoder, list[dict[str, float]]]:
    """Train an encoder on samples `rows` of the study, `groups` [n] theirs; validation samples are drawn by group.

    It goes on from options.encoder where that is given, else from random weights.
    """
    check_pretext(study, options)
    before = read_encoder(options.encoder, options) if options.encoder else None
    validation = held_out(groups, options, seed)
    train, held = rows[~validation], rows[validation]
    fixed = pretext.fixed_batches(study, pretext.paired(held, seed), options, seed)
    goal = make_goal(study, train, options, seed)
    drawn = batches.rarefy(study.counts[rows], study.depth, (*seed, pretext.FIXED_DRAW))
    lost = batches.reads_lost(drawn, options.token_limit)
    print(f"{lost:.2%} of the reads lie beyond the {options.token_limit} most abundant ASVs of their samples, unread")
    model = start(study, train, goal.scales, options, seed)
    if before:
        go_on_from(model, before)
    if options.compile_model:
        compile_parts(model)

    number = batches_of_epoch(len(train), options)

    def epoch_batches(epoch: int) -> Iterator[Batch]:
        if goal.references:
            goal.references.refresh(model)
        return islice(passes(study, train, options, seed, epoch * number), number)

    def losses(batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return pretraining_losses(model, study, batch, options, goal, generator)

    def validate() -> dict[str, float]:
        return validation_scores(model, study, fixed, options, goal.scales, seed)

    plan = Plan.of(options, options.pretrain_epochs, number)
    return model, loop.fit(
        model, epoch_batches, losses, validate if len(held) else None, plan=plan, seed=seed, place=place
    )


def batches_of_epoch(samples: int, options: Options) -> int:
    """Batches that an epoch reads: the training samples once, or more so that all epochs take pretrain_steps."""
    at_a_time = options.gradient_accumulation_steps * team().size
    steps = -(-options.pretrain_steps // max(1, options.pretrain_epochs))
    return max(-(-samples // options.batch_size), steps * at_a_time)


def passes(study: Study, train: np.ndarray, options: Options, seed: tuple[int, ...], first: int) -> Iterator[Batch]:
    """Batches of training samples without end, pass after pass, each shuffled and drawn anew; from batch `first` on."""
    start, skipped = divmod(first, -(-len(train) // options.batch_size))
    for number in count(start):
        order = np.random.default_rng((*seed, number)).permutation(train)
        rest = slice(skipped * options.batch_size, None)
        yield from data.drawn_batches(study, order[rest], options, (*seed, number), np.arange(len(train))[rest])
        skipped = 0


def make_goal(study: Study, train: np.ndarray, options: Options, seed: tuple[int, ...]) -> Goal:
    """Scales, distances and, in stripe mode, reference samples of pretraining on samples `train`."""
    references = references_of(study, train, options, seed)
    truth = pretext.make_truth(study, train, options, seed, references)
    return Goal(pretext.measure_scales(study, train, options, seed), truth, references)


def references_of(study: Study, train: np.ndarray, options: Options, seed: tuple[int, ...]) -> References | None:
    """Reference samples among the training samples `train`; none without stripe mode or distances to learn."""
    if not options.stripe_mode or not pretext.has_distances(options):
        return None
    return References(study, pretext.choose_references(study, train, options, seed), options, seed)


def start(study: Study, train: np.ndarray, scales: Scales, options: Options, seed: tuple[int, ...]) -> Encoder:
    """Encoder of random weights on the scales of the training samples."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(loop.stream(*seed))
        classes = tuple(map(len, study.names)) if pretext.has_taxonomy(options) else ()
        model = make_encoder(options, pretext.has_faith(options), classes, recall=True).eval()
        seen = taxa_of(study, train)
        model.recall.remember(study.tokens[seen])
        asvs = pretext.embed_taxa(model, study, seen)[seen, : model.dim]
        if model.clades:
            prevalence = torch.from_numpy(np.asarray((study.counts[train] > 0).sum(axis=0)).ravel()).float()
            model.clades.begin(study.tokens[seen], asvs, prevalence.to(seen.device)[seen].clamp(min=1))
    if not model.clades:
        with torch.no_grad():
            model.unifrac_head.offset.fill_(scales.distance[0])
            model.unifrac_head.scale.fill_(2 * scales.distance[1])
        model.sample.standardise(asvs)
    return model


def untrained(study: Study, train: np.ndarray, options: Options, seed: tuple[int, ...]) -> Encoder:
    """Encoder of random weights without the heads of pretraining: what learning is held against, or starts from."""
    model = start(study, train, Scales((0.5, 0.5), (0.0, 1.0)), replace(options, unifrac_metric="unifrac"), seed)
    model.recall = None
    return model


def check_pretext(study: Study, options: Options) -> None:
    """Raise InputError where what is to be predicted is not there, or needs a single process."""
    if team().size > 1 and options.stripe_mode:
        raise InputError("stripe_mode keeps one memory bank and trains in one process: use --no-stripe-mode")
    if pretext.has_taxonomy(options) and not study.names:
        raise InputError(f"unifrac_metric={options.unifrac_metric} needs the features' lineages: give a taxonomy")


def held_out(groups: np.ndarray, options: Options, seed: tuple[int, ...]) -> np.ndarray:
    """Validation flags [n] of pretraining; none where they would be a single sample, which has no distance."""
    held = split_groups(groups, options.validation, seed)
    return held if held.sum() > 1 else np.zeros(len(groups), dtype=bool)


def compile_parts(model: Encoder | Predictor) -> None:
    """Compile the networks of a model in place; names of weights stay."""
    for part in (model.nucleotide, model.sample):
        if part is not None:
            part.compile(dynamic=True)


@torch.no_grad()
def validation_scores(
    model: Encoder, study: Study, batches: list[Batch], options: Options, scales: Scales, seed: tuple[int, ...]
) -> dict[str, float]:
    """Losses of the held-out samples, all their pairs at once, and how well distances (or else Faith's PD) fit.

    "score" is the sum of the losses but that of the nucleotides.
    """
    z = pretext.embed_batches(model, study, batches)
    losses, fit = {}, {}
    if pretext.has_faith(options):
        truth = torch.cat([data.faith(batch, study.ancestors, study.lengths) for batch in batches])
        guess = model.faith(z)[:, 0] * scales.faith[1] + scales.faith[0]
        losses["faith_loss"] = float(((guess - truth) ** 2).mean()) / scales.faith[1] ** 2
        fit = metrics.fit_of(truth.cpu().numpy(), guess.cpu().numpy())
    if pretext.has_distances(options):
        truth, guess = predicted_distances(model, study, batches, options)
        losses["unifrac_loss"] = float(((truth - guess) ** 2).mean()) / scales.distance[1] ** 2
        fit = metrics.fit_of(truth.cpu().numpy(), guess.cpu().numpy())
    if pretext.has_taxonomy(options):
        taxa = torch.cat([batch.unique for batch in batches]).unique()
        asvs = pretext.embed_taxa(model, study, taxa)[taxa, : model.dim]
        losses["taxonomy_loss"] = float(pretext.taxonomy_loss(model, asvs, study.ranks[taxa]))
    score, restored = sum(losses.values()), validation_nucleotides(model, study, batches, options, seed)
    return {"score": score, "total_loss": score + restored, "nuc_loss": restored, **losses, **fit}


@torch.no_grad()
def validation_nucleotides(
    model: Encoder, study: Study, batches: list[Batch], options: Options, seed: tuple[int, ...]
) -> float:
    """Mean loss of masked nucleotides over the batches' ASVs, each once, the same ones masked every time."""
    generator = torch.Generator().manual_seed(loop.stream(*seed, pretext.FIXED_DRAW))
    clean = study.tokens[torch.cat([batch.unique for batch in batches]).unique()]
    seen, masked = tokens.mask_nucleotides(clean, options.mask, generator)
    logits = model.restore(seen, clean, pretext.CHUNK)
    return float(nucleotide_loss(logits, clean[:, 1:], masked[:, 1:]))


def pretraining_losses(
    model: Encoder, study: Study, batch: Batch, options: Options, goal: Goal, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Loss terms of a batch: nucleotides (cross-entropy on masked positions), and those of options.unifrac_metric.

    Samples are made of whole sequences; a random part of the batch's ASVs is read a second time, masked. (Masking
    the sequences that make the samples doubles the error of UniFrac.)
    """
    clean = study.tokens[batch.unique]
    chosen = torch.rand(len(clean), generator=generator) < options.masked_asvs  # on the CPU: one stream everywhere
    chosen[torch.randint(len(clean), (1,), generator=generator)] = True
    seen, masked = tokens.mask_nucleotides(clean[chosen], options.mask, generator)
    logits = model.restore(seen, clean[chosen], options.asv_chunk_size)
    terms = {"nuc_loss": nucleotide_loss(logits, clean[chosen, 1:], masked[:, 1:])}
    asvs = model.read(clean, options.asv_chunk_size)
    if pretext.has_taxonomy(options):
        terms["taxonomy_loss"] = pretext.taxonomy_loss(model, asvs[:, : model.dim], study.ranks[batch.unique])
    if pretext.has_distances(options) or pretext.has_faith(options):
        z = model.embed(asvs[batch.gather], batch.abundance, batch.present)
    if pretext.has_distances(options):
        loss = pretext.distance_loss(model, z, batch, goal.truth(batch), goal.scales, goal.references)
        if options.clades:
            every = [batch, *pretext.imagine(batch, generator)]
            imagined = pretext.imagined_loss(model, asvs, every, study, options, goal.scales)
            loss = imagined if loss is None else (loss + imagined) / 2
        terms |= {} if loss is None else {"unifrac_loss": loss}
    if pretext.has_faith(options):
        terms["faith_loss"] = pretext.faith_loss(model, z, batch, study, goal.scales)
    return terms


def nucleotide_loss(logits: torch.Tensor, truth: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits [U, L, 4] against tokens [U, L] (1-4) at the masked positions only; 0 without any."""
    if not masked.any():
        return logits.sum() * 0.0
    return functional.cross_entropy(logits[masked], truth[masked] - 1)


@torch.no_grad()
def predicted_distances(
    model: Encoder, study: Study, batches: list[Batch], options: Options
) -> tuple[torch.Tensor, torch.Tensor]:
    """True and predicted distances of all pairs of the samples in `batches`, [pairs] each."""
    if not batches:
        return torch.zeros(0), torch.zeros(0)
    kind = pretext.weighted(options)
    own = torch.cat([data.branches(batch, study.ancestors, kind) for batch in batches])
    z = pretext.embed_batches(model, study, batches)
    return pretext.upper(data.distances(own, own, study.lengths, kind)), pretext.upper(model.unifrac(z))


def taxa_of(study: Study, rows: np.ndarray) -> torch.Tensor:
    """Taxa [t] that samples `rows` have; all where they have none."""
    reads = np.asarray(study.counts[rows].sum(axis=0)).ravel()
    return torch.from_numpy(np.flatnonzero(reads if reads.any() else reads + 1)).to(study.tokens.device)


def load_encoder(path: str | Path, options: Options) -> Encoder:
    """Read a pretrained encoder. Raises InputError when it was made with other sizes."""
    saved, model = read_encoder(path, options), make_encoder(options)
    with inputs.foreign(f"{path}, a pretrained encoder,", "give an encoder.pt as this version's pretraining wrote it"):
        model.load_state_dict({name: value for name, value in saved.model.items() if not name.startswith(HEADS)})
    return model.eval()


def read_encoder(path: str | Path, options: Options) -> PretrainedEncoder:
    """Read what save_encoder wrote. Raises InputError when it has other sizes."""
    saved = checkpoint.load(path, PretrainedEncoder, "give the encoder.pt that pretraining wrote")
    sizes = {name: getattr(options, name) for name in SIZES}
    if saved.sizes != sizes:
        raise InputError(
            f"{path} holds an encoder of {saved.sizes}, but the options ask for {sizes}: "
            "give the same sizes, or pretrain again"
        )
    return saved


@torch.no_grad()
def go_on_from(model: Encoder, saved: PretrainedEncoder) -> None:
    """Give an encoder the weights of another, pretrained on other samples; it knows the ASVs of both."""
    taken = {name: value for name, value in saved.model.items() if not name.startswith(HEADS) or name in KEPT}
    model.load_state_dict(taken, strict=False)
    known = saved.model["recall.known"].to(model.recall.known.device)
    model.recall.known = torch.cat([model.recall.known, known]).unique(dim=0)


def check_unseen(saved: PretrainedEncoder, path: str | Path, samples: np.ndarray, which: str) -> None:
    """Raise InputError where an encoder has learned from any of these samples [n] (ids); `which` says what they are."""
    seen = sorted(set(saved.samples) & set(samples))
    if seen:
        raise InputError(
            f"{path} was pretrained on {len(seen)} samples ({examples(seen)}) that it would be judged by, {which}"
        )


def save_encoder(
    model: Encoder,
    options: Options,
    path: str | Path,
    study: Study | None = None,
    references: References | None = None,
    learned: Sequence[str] = (),
) -> None:
    """Write a pretrained encoder with the options that give its shapes and the ids of the samples it `learned` from.

    Of stripe mode the reference samples (of `study`) and their embeddings are kept too, of taxonomy the clades.
    """
    sizes = {name: getattr(options, name) for name in SIZES}
    bank = None
    if references:
        references.refresh(model)
        bank = Bank(study.samples[references.rows].tolist(), references.z)
    clades = [list(names) for names in study.names] if len(model.ranks) else []
    checkpoint.save(PretrainedEncoder(sizes, model.state_dict(), list(map(str, learned)), bank, clades), path)
