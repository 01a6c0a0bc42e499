"""A generator of communities: fit it, save it, load it, and draw communities from it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from taxoscape.diffusion import training
from taxoscape.diffusion.denoiser import Denoiser
from taxoscape.diffusion.landscape import Canvas, LandscapeDenoiser, place_rest
from taxoscape.diffusion.terms import NOBODY, make_terms
from taxoscape.diffusion.transformer import TokenDenoiser
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint, copula, counts, dequantise, noise
from taxoscape.learning.communities import Samples
from taxoscape.learning.copula import Copula
from taxoscape.learning.counts import Calibration
from taxoscape.learning.dequantise import Scaler
from taxoscape.learning.loop import Place, Plan, Row, rounds_of

# Communities drawn at the training conditions to fit the calibration on, at least.
CALIBRATION = 2000
# Communities that are drawn and turned into counts before the next ones.
BLOCK = 8192
# Communities sampled at a time: products of large matrices are fast, attention over taxa where it stays in cache.
BATCH = {"mlp": 2048, "transformer": 32, "unet": 128}
# Dequantised copies of the training samples in which the largest value is looked for.
COPIES = 8
# The x_0 estimate stays within this many times the largest standardised training value.
MARGIN = 1.2


@dataclass(frozen=True)
class Options:
    """Config section `diffusion`."""

    enabled: bool
    model: str  # mlp | transformer | unet | copula
    width: int
    blocks: int
    patch: int  # pixels; of the unet
    dropout: float  # 0-1
    steps: int  # optimizer steps at most
    batch_size: int  # samples
    lr: float
    weight_decay: float
    prediction: str  # v | x0 | epsilon
    schedule: str  # cosine | linear
    train_timesteps: int
    sampler: str  # ddim | dpm
    sample_steps: int
    guidance: float  # 1 = none
    condition_dropout: float  # 0-1
    ema: float
    patience: int  # rounds of 50 steps
    compositional: float  # weight of that term of the loss
    phylogenetic: float
    calibrate: bool
    samples: int  # communities generated
    threads: int
    processes: int  # that train one model together
    device: str  # cpu | cuda
    mixed_precision: str  # none | bf16


@dataclass(frozen=True)
class Generator:
    """A fitted model: a copula, or a network with what its values mean in counts; of D parts, taxa and the rest."""

    options: Options
    categories: list[int]  # of the conditions: number of categories, 0 = continuous
    depth: int  # reads
    seen: np.ndarray  # [D] whether a training sample has the taxon
    copula: Copula | None = None
    features: torch.Tensor | None = None  # [D, P] of the transformer
    canvas: Canvas | None = None  # of the unet
    scaler: Scaler | None = None
    bound: float = 0.0  # of standardised estimates
    network: dict[str, torch.Tensor] | None = None
    calibration: Calibration | None = None


def fit(
    train: Samples,
    validation: Samples,
    depth: int,
    categories: list[int],
    options: Options,
    seed: int,
    place: Place = Place(),
    known: np.ndarray | Canvas | None = None,
    relatives: tuple[np.ndarray, np.ndarray] = NOBODY,
) -> tuple[Generator, list[Row]]:
    """Fit the model that the options name; return it and the rounds of its training (none for the copula).

    `known` is what the network knows of the taxa: features [D, P] (taxa.describe) for the transformer, the canvas for
    the unet. `relatives` (terms.read_relatives) are those that the phylogenetic term compares. `place` is where an
    interrupted training is kept.

    Reads beyond the retained taxa, up to `depth`, are one part more of every community. Samples without a read in any
    taxon are left out. Raises InputError when fewer than two are left.
    """
    train, validation = (part.take(part.counts.sum(axis=1) > 0) for part in (train, validation))
    if len(train.counts) < 2:
        raise InputError(
            f"{len(train.counts)} training samples have reads in the retained taxa, 2 are needed: "
            "lower metadata.test and metadata.validation or set diffusion.enabled: false"
        )
    train, validation = (replace(part, counts=counts.with_rest(part.counts, depth)) for part in (train, validation))
    model = Generator(options, categories, depth, train.counts.sum(axis=0) > 0)
    rng = np.random.default_rng((seed, 0))
    fitted = copula.fit(train, categories, rng)
    if options.model == "copula":
        return replace(model, copula=fitted), []
    train, validation = copula.place(fitted, [train, validation], rng)
    scaler = dequantise.fit_scaler(train.counts, rng, train.places)
    clean = [dequantise.encode(train.counts, scaler, rng, train.places) for _ in range(COPIES)]
    bound = MARGIN * float(np.max(np.abs(clean)))
    model = replace(model, **_knowledge(options.model, known), scaler=scaler, bound=bound)
    torch.manual_seed(seed)
    network = _network(model)
    print(f"{sum(weight.numel() for weight in network.parameters()):,} weights, {len(train.counts)} training samples")
    weights = options.compositional, options.phylogenetic
    terms = make_terms(weights, scaler, relatives) if any(weights) else None
    plan = Plan.of(options, *rounds_of(options.steps, training.ROUND), scheduler="cosine")
    sets = train, validation, scaler, _schedule(options), plan
    history = training.train(
        network, *sets, options.batch_size, options.condition_dropout, seed, place.of("training"), terms
    )
    model = replace(model, network=network.cpu().state_dict())
    if options.calibrate:
        model = replace(model, calibration=_calibration(model, train, seed, rng))
    return model, history


def _knowledge(name: str, known: np.ndarray | Canvas | None) -> dict:
    """What a network knows of the taxa, and of the rest."""
    if name == "transformer":
        # Nothing is known of the rest: features are standardised, 0 is their mean.
        return {"features": functional.pad(torch.tensor(known).float(), (0, 0, 0, 1))}
    return {"canvas": place_rest(known)} if name == "unet" else {}


def read_model(path: str | Path, device: str) -> Generator:
    """Model of a checkpoint, to generate on a device. Raises InputError for another kind of file."""
    model = checkpoint.load(path, Generator, "give the results/diffusion/model.pt of this version")
    return replace(model, options=replace(model.options, device=device))


def generate(model: Generator, values: np.ndarray, missing: np.ndarray, seed: int) -> np.ndarray:
    """Draw communities at conditions (values [M, F], missing [M, F]): counts [M, D] of the model's depth.

    They sum to the depth, less the reads of taxa that are not retained.
    """
    return np.concatenate(list(blocks(model, values, missing, seed)))


def blocks(model: Generator, values: np.ndarray, missing: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Draw as `generate` does, BLOCK communities at a time."""
    for number, start in enumerate(range(0, len(values), BLOCK)):
        rows = slice(start, start + BLOCK)
        yield _block(model, values[rows], missing[rows], (seed, 4, number))


def _block(model: Generator, values: np.ndarray, missing: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    if model.copula:
        amounts = copula.sample(model.copula, values, missing, np.random.default_rng(seed))
    else:
        amounts = _log_amounts(model, values, missing, seed)
        if model.calibration:
            amounts = counts.calibrate(amounts, model.calibration)
        amounts = np.exp(amounts)
    return counts.to_counts(amounts, model.depth, model.seen)[:, :-1]


def quality(model: Generator, history: list[Row], train: Samples, validation: Samples, fields: list[str]) -> dict:
    """What was trained on what, for the report: kind, sizes, conditions, and the held-out loss that stopped it."""
    held_out = [row for row in history if "val_score" in row]
    best = min(held_out, key=lambda row: row["val_score"], default=None)
    return {
        "model": model.options.model,
        "fields": fields,
        "training_samples": len(train.counts),
        "validation_samples": len(validation.counts),
        "taxa": train.counts.shape[1],
        "taxa_seen_in_training": int(model.seen[:-1].sum()),
        "weights": sum(weight.numel() for weight in (model.network or {}).values()),
        "steps": history[-1]["step"] if history else 0,
        "best_step": best and best["step"],
        "best_validation_loss": best and best["val_score"],
    }


def _calibration(model: Generator, train: Samples, seed: int, rng: np.random.Generator) -> Calibration:
    """Marginals of what the model draws at the training conditions, next to those of the training samples."""
    rows = np.tile(np.arange(len(train.counts)), -(-CALIBRATION // len(train.counts)))
    drawn = _log_amounts(model, train.values[rows], train.missing[rows], (seed, 3))
    return counts.fit_calibration(drawn, train.counts, rng)


def _log_amounts(model: Generator, values: np.ndarray, missing: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    """Log amounts [M, 1 + D] of sampled communities, before calibration, in dequantised reads."""
    options, network = model.options, _network(model)
    network.load_state_dict(model.network)
    network.eval().to(options.device)
    rng, drawn = np.random.default_rng(seed), []
    size = BATCH[options.model]
    for start in range(0, len(values), size):
        rows = slice(start, start + size)
        start_noise = torch.tensor(rng.standard_normal((len(values[rows]), len(model.seen)))).float()
        parts = start_noise, torch.tensor(values[rows]).float(), torch.tensor(missing[rows])
        found = noise.sample(
            network,
            *(part.to(options.device) for part in parts),
            _schedule(options),
            sampler=options.sampler,
            steps=options.sample_steps,
            guidance=options.guidance,
            bound=model.bound,
        )
        drawn.append(found.cpu().numpy())
    logratios = dequantise.decode(np.concatenate(drawn).astype(np.float64), model.scaler)
    return counts.log_counts(logratios, model.depth)


def _network(model: Generator) -> torch.nn.Module:
    options = model.options
    sizes = model.categories, options.width, options.blocks, options.dropout
    if options.model == "transformer":
        return TokenDenoiser(model.features, *sizes)
    if options.model == "unet":
        return LandscapeDenoiser(model.canvas, *sizes, options.patch)
    return Denoiser(len(model.seen), *sizes)


def _schedule(options: Options) -> noise.Schedule:
    return noise.Schedule(options.schedule, options.train_timesteps, options.prediction)
