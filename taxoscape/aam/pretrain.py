"""Pretraining without labels: masked nucleotides restored, UniFrac between the samples of a batch predicted."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from taxoscape.aam import checkpoint, data, metrics, tokens, training
from taxoscape.aam.data import Batch, Study
from taxoscape.aam.model import Encoder, Predictor
from taxoscape.aam.options import Options
from taxoscape.aam.training import Store, Watch
from taxoscape.errors import InputError

# Streams of random numbers; training epochs count from 0, so fixed draws take numbers no epoch reaches.
VALIDATION_DRAW = 10**6
CHUNK = 256  # sequences embedded at a time where nothing is learned
SIZES = ("embedding_dim", "attention_heads", "attention_layers", "max_bp", "patch")


def make_encoder(options: Options) -> Encoder:
    """Encoder of the options' size, with random weights, on the options' device."""
    if options.embedding_dim % options.attention_heads:
        raise InputError(
            f"embedding_dim={options.embedding_dim} is no multiple of attention_heads={options.attention_heads}: "
            "change one of them"
        )
    model = Encoder(
        options.embedding_dim,
        options.attention_heads,
        options.attention_layers,
        options.dropout,
        options.max_bp,
        options.patch,
    )
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
    store: Store | None = None,
    watch: Watch | None = None,
) -> tuple[Encoder, list[dict[str, float]]]:
    """Train an encoder on samples `rows` of the study, `groups` [n] theirs; validation samples are drawn by group."""
    validation = held_out(groups, options, seed)
    train, held = rows[~validation], rows[validation]
    fixed = validation_batches(study, held, options, seed)
    spread = distance_spread(study, train, options, seed)
    lost = data.reads_lost(data.rarefy(study.counts[rows], study.depth, (*seed, VALIDATION_DRAW)), options.token_limit)
    print(f"{lost:.2%} of the reads lie beyond the {options.token_limit} most abundant ASVs of their samples, unread")
    model = start(study, train, spread, options, seed)

    if options.compile_model:
        compile_parts(model)

    def epoch_batches(epoch: int) -> Iterator[Batch]:
        order = np.random.default_rng((*seed, epoch)).permutation(train)
        return data.drawn_batches(study, order, options, (*seed, epoch))

    def losses(batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return pretraining_losses(model, study, batch, options, spread[1], generator)

    def validate() -> dict[str, float]:
        truth, guess = predicted_distances(model, study, fixed)
        score = float(((truth - guess) ** 2).mean()) / spread[1] ** 2
        restored = validation_nucleotides(model, study, fixed, options, seed)
        scores = {"score": score, "total_loss": score + restored, "unifrac_loss": score, "nuc_loss": restored}
        return scores | metrics.fit_of(truth.cpu().numpy(), guess.cpu().numpy())

    steps = -(-len(train) // options.batch_size)
    history = training.fit(
        model,
        epoch_batches,
        losses,
        validate if len(held) else None,
        options=options,
        epochs=options.pretrain_epochs,
        steps=steps,
        seed=seed,
        store=store,
        watch=watch,
    )
    return model, history


def start(
    study: Study, train: np.ndarray, spread: tuple[float, float], options: Options, seed: tuple[int, ...]
) -> Encoder:
    """Encoder of random weights on the scales of the training samples; `spread` is distance_spread's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.stream(*seed))
        model = make_encoder(options).eval()
    with torch.no_grad():
        model.unifrac.offset.fill_(spread[0])
        model.unifrac.scale.fill_(2 * spread[1])
    seen = taxa_of(study, train)
    model.nucleotide.know_frequencies(study.tokens[seen])
    model.sample.standardise(embed_taxa(model, study, seen)[seen])
    return model


def held_out(groups: np.ndarray, options: Options, seed: tuple[int, ...]) -> np.ndarray:
    """Validation flags [n] of pretraining; none where they would be a single sample, which has no distance."""
    held = split_groups(groups, options.validation, seed)
    return held if held.sum() > 1 else np.zeros(len(groups), dtype=bool)


def validation_batches(study: Study, held: np.ndarray, options: Options, seed: tuple[int, ...]) -> list[Batch]:
    """Batches of the validation samples, drawn once."""
    return list(data.drawn_batches(study, held, options, (*seed, VALIDATION_DRAW)))


def compile_parts(model: Encoder | Predictor) -> None:
    """Compile the networks of a model in place; names of weights stay."""
    for part in (model.nucleotide, model.sample):
        if part is not None:
            part.compile(dynamic=True)


@torch.no_grad()
def validation_nucleotides(
    model: Encoder, study: Study, batches: list[Batch], options: Options, seed: tuple[int, ...]
) -> float:
    """Mean loss of masked nucleotides over the batches' ASVs, each once, the same ones masked every time."""
    generator = torch.Generator().manual_seed(training.stream(*seed, VALIDATION_DRAW))
    clean = study.tokens[torch.cat([batch.unique for batch in batches]).unique()]
    seen, masked = tokens.mask_nucleotides(clean, options.mask, generator)
    logits = model.nucleotide.expect(model.nucleotide.hide(seen, CHUNK), clean.shape[1] - 1)
    return float(nucleotide_loss(logits, clean[:, 1:], masked[:, 1:]))


def pretraining_losses(
    model: Encoder, study: Study, batch: Batch, options: Options, spread: float, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Loss terms of a batch: nucleotides (cross-entropy on masked positions) and UniFrac (squared error / spread^2).

    Samples are made of whole sequences; a random part of the batch's ASVs is read a second time, masked. (Masking
    the sequences that make the samples doubles the error of UniFrac.)
    """
    clean = study.tokens[batch.unique]
    chosen = torch.rand(len(clean), generator=generator) < options.masked_asvs  # on the CPU: one stream everywhere
    chosen[torch.randint(len(clean), (1,), generator=generator)] = True
    seen, masked = tokens.mask_nucleotides(clean[chosen], options.mask, generator)
    logits = model.nucleotide.expect(model.nucleotide.hide(seen, options.asv_chunk_size), clean.shape[1] - 1)
    terms = {"nuc_loss": nucleotide_loss(logits, clean[chosen, 1:], masked[:, 1:])}
    if len(batch.rows) > 1:
        asvs = model.nucleotide.embed(clean, options.asv_chunk_size)
        z = model.embed(asvs[batch.gather], batch.abundance, batch.present)
        error = upper(model.unifrac(z)) - upper(data.unifrac(batch, study.ancestors, study.lengths))
        terms["unifrac_loss"] = (error**2).mean() / spread**2
    return terms


def nucleotide_loss(logits: torch.Tensor, truth: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits [U, L, 4] against tokens [U, L] (1-4) at the masked positions only; 0 without any."""
    if not masked.any():
        return logits.sum() * 0.0
    return functional.cross_entropy(logits[masked], truth[masked] - 1)


def upper(square: torch.Tensor) -> torch.Tensor:
    """Entries above the diagonal of [B, B] -> [B (B - 1) / 2]."""
    row, column = torch.triu_indices(*square.shape, offset=1)
    return square[row, column]


@torch.no_grad()
def predicted_distances(model: Encoder, study: Study, batches: list[Batch]) -> tuple[torch.Tensor, torch.Tensor]:
    """True and predicted UniFrac of all pairs of the samples in `batches`, [pairs] each."""
    if not batches:
        return torch.zeros(0), torch.zeros(0)
    asvs = embed_taxa(model, study, torch.cat([batch.unique for batch in batches]).unique())
    z = torch.cat([model.embed(asvs[batch.unique[batch.gather]], batch.abundance, batch.present) for batch in batches])
    return upper(data.unifrac(merged(batches), study.ancestors, study.lengths)), upper(model.unifrac(z))


@torch.no_grad()
def embed_taxa(model: Encoder, study: Study, taxa: torch.Tensor | None = None) -> torch.Tensor:
    """ASV embeddings [T, D] of all taxa, or of those given (zero elsewhere)."""
    taxa = torch.arange(len(study.taxa), device=study.tokens.device) if taxa is None else taxa
    asvs = torch.zeros(len(study.taxa), model.sample.enter.in_features, device=study.tokens.device)
    asvs[taxa] = model.nucleotide.embed(study.tokens[taxa], CHUNK)
    return asvs


def taxa_of(study: Study, rows: np.ndarray) -> torch.Tensor:
    """Taxa [t] that samples `rows` have; all where they have none."""
    reads = np.asarray(study.counts[rows].sum(axis=0)).ravel()
    return torch.from_numpy(np.flatnonzero(reads if reads.any() else reads + 1)).to(study.tokens.device)


def merged(batches: list[Batch]) -> Batch:
    """One batch of all samples, each ASV once."""
    size = max(batch.gather.shape[1] for batch in batches)
    unique = torch.cat([batch.unique for batch in batches]).unique()

    def padded(values: torch.Tensor) -> torch.Tensor:
        return functional.pad(values, (0, size - values.shape[1]))

    gather = [padded(torch.searchsorted(unique, batch.unique[batch.gather])) for batch in batches]
    present, abundance = ([padded(getattr(b, name)) for b in batches] for name in ("present", "abundance"))
    rows = np.concatenate([batch.rows for batch in batches])
    return Batch(rows, unique, torch.cat(gather), torch.cat(present), torch.cat(abundance))


def load_encoder(path: str | Path, options: Options) -> Encoder:
    """Read a pretrained encoder. Raises InputError when it was made with other sizes."""
    state = checkpoint.load(path)
    if "sizes" not in state:
        raise InputError(f"{path} is no pretrained encoder: give the encoder.pt that pretraining wrote")
    sizes = {name: getattr(options, name) for name in SIZES}
    if state["sizes"] != sizes:
        raise InputError(
            f"{path} holds an encoder of {state['sizes']}, asked for is one of {sizes}: "
            "give the same sizes, or pretrain again"
        )
    model = make_encoder(options)
    model.load_state_dict(state["model"])
    return model.eval()


def save_encoder(model: Encoder, options: Options, path: str | Path) -> None:
    """Write a pretrained encoder with the options that give its shapes."""
    sizes = {name: getattr(options, name) for name in SIZES}
    checkpoint.save({"sizes": sizes, "model": model.state_dict()}, path)


def distance_spread(study: Study, rows: np.ndarray, options: Options, seed: tuple[int, ...]) -> tuple[float, float]:
    """Mean and standard deviation of UniFrac between training samples, from one draw."""
    batches = list(data.drawn_batches(study, rows, options, (*seed, VALIDATION_DRAW)))
    distances = upper(data.unifrac(merged(batches), study.ancestors, study.lengths))
    if len(distances) < 2 or distances.std() == 0:
        return 0.5, 1.0
    return float(distances.mean()), float(distances.std())
