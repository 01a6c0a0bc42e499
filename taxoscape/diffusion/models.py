"""A generator of communities as something to fit, save, load and ask: plain numbers and tensors in one dictionary."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from taxoscape.diffusion import dequantise, training
from taxoscape.diffusion.denoiser import Denoiser
from taxoscape.diffusion.landscape import Canvas, LandscapeDenoiser, place_rest
from taxoscape.diffusion.terms import NOBODY, make_terms
from taxoscape.diffusion.transformer import TokenDenoiser
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint, copula, counts
from taxoscape.learning import noise as sampling
from taxoscape.learning.communities import Samples

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
    device: str  # cpu | cuda
    mixed_precision: str  # none | bf16


def fit(
    train: Samples,
    validation: Samples,
    depth: int,
    categories: list[int],
    options: Options,
    seed: int,
    store: Path | None = None,
    known: np.ndarray | Canvas | None = None,
    relatives: tuple[np.ndarray, np.ndarray] = NOBODY,
) -> tuple[dict, pd.DataFrame]:
    """Fit the model that the options name; return it and its losses (none for the copula).

    `known` is what the network is told of the taxa: features [D, P] (taxa.describe) for the transformer, for the unet
    where they are drawn. `relatives` (terms.read_relatives) are those that the phylogenetic term compares. `store` is
    where an interrupted training is kept (training.train).

    Reads beyond the retained taxa, up to `depth`, are one part more of every community. Samples without a read in any
    taxon say nothing and are left out. Raises InputError when none is left.
    """
    train, validation = (part.take(part.counts.sum(axis=1) > 0) for part in (train, validation))
    if len(train.counts) < 2:
        raise InputError(
            f"{len(train.counts)} training samples have reads in the retained taxa, 2 are needed: "
            "lower metadata.test and metadata.validation or set diffusion.enabled: false"
        )
    train, validation = (replace(part, counts=counts.with_rest(part.counts, depth)) for part in (train, validation))
    model = {
        "options": dataclasses.asdict(options),
        "categories": categories,
        "depth": depth,
        "seen": torch.tensor(train.counts.sum(axis=0) > 0),
    }
    rng = np.random.default_rng((seed, 0))
    fitted = copula.fit(train, categories, rng)
    if options.model == "copula":
        return {**model, "copula": _tensors(fitted)}, pd.DataFrame(columns=["step", "training", "validation"])
    train, validation = copula.place(fitted, [train, validation], rng)
    scaler = dequantise.fit_scaler(train.counts, rng, train.places)
    clean = [dequantise.encode(train.counts, scaler, rng, train.places) for _ in range(COPIES)]
    torch.manual_seed(seed)
    model |= _told(options.model, known)
    network = _network(model, train.counts.shape[1])
    print(f"{sum(weight.numel() for weight in network.parameters()):,} weights, {len(train.counts)} training samples")
    weights = options.compositional, options.phylogenetic
    terms = make_terms(weights, scaler, relatives) if any(weights) else None
    network, history = training.train(
        network, train, validation, scaler, _schedule(options), _plan(options), seed, store, terms
    )
    model |= {
        "scaler": _tensors(scaler),
        "bound": MARGIN * float(np.max(np.abs(clean))),
        "network": network.state_dict(),
    }
    if options.calibrate:
        model["calibration"] = _tensors(_calibration(model, train, seed, rng))
    return model, history


def _told(name: str, known: np.ndarray | Canvas | None) -> dict:
    """What a network is told of the taxa, and of the rest."""
    if name == "transformer":
        # Of the rest nothing is known: features are standardised, 0 is their mean.
        return {"features": functional.pad(torch.tensor(known).float(), (0, 0, 0, 1))}
    return {"canvas": vars(place_rest(known))} if name == "unet" else {}


def read_model(path: str | Path, device: str) -> dict:
    """Model of a checkpoint, to generate on a device. Raises InputError for another kind of file."""
    model = checkpoint.load(path)
    return {**model, "options": {**model["options"], "device": device}}


def generate(model: dict, values: np.ndarray, missing: np.ndarray, depth: int, seed: int) -> np.ndarray:
    """Draw communities at conditions (values [M, F], missing [M, F]): counts [M, D] of `depth` reads.

    They sum to the depth, less the reads of taxa that are not retained.
    """
    return np.concatenate(list(blocks(model, values, missing, depth, seed)))


def blocks(model: dict, values: np.ndarray, missing: np.ndarray, depth: int, seed: int) -> Iterator[np.ndarray]:
    """Draw as `generate` does, BLOCK communities at a time."""
    for number, start in enumerate(range(0, len(values), BLOCK)):
        rows = slice(start, start + BLOCK)
        yield _block(model, values[rows], missing[rows], depth, (seed, 4, number))


def _block(model: dict, values: np.ndarray, missing: np.ndarray, depth: int, seed: tuple[int, ...]) -> np.ndarray:
    if "copula" in model:
        fitted = copula.Copula(**_arrays(model["copula"]))
        amounts = copula.sample(fitted, values, missing, np.random.default_rng(seed))
    else:
        amounts = _log_amounts(model, values, missing, seed)
        if "calibration" in model:
            amounts = counts.calibrate(amounts, counts.Calibration(**_arrays(model["calibration"])))
        amounts = np.exp(amounts)
    return counts.to_counts(amounts, depth, model["seen"].numpy())[:, :-1]


def quality(model: dict, history: pd.DataFrame, train: Samples, validation: Samples, fields: list[str]) -> dict:
    """What was trained on what, for the report: kind, sizes, conditions, and the held-out loss that stopped it."""
    best = history["validation"].idxmin() if history["validation"].notna().any() else None
    weights = sum(weight.numel() for weight in model.get("network", {}).values())
    return {
        "model": model["options"]["model"],
        "fields": fields,
        "training_samples": len(train.counts),
        "validation_samples": len(validation.counts),
        "taxa": train.counts.shape[1],
        "taxa_seen_in_training": int(model["seen"][:-1].sum()),
        "weights": weights,
        "steps": int(history["step"].max()) if len(history) else 0,
        "best_step": None if best is None else int(history["step"][best]),
        "best_validation_loss": None if best is None else float(history["validation"][best]),
    }


def _calibration(model: dict, train: Samples, seed: int, rng: np.random.Generator) -> counts.Calibration:
    """Marginals of what the model draws at the training conditions, beside those of the training samples."""
    rows = np.tile(np.arange(len(train.counts)), -(-CALIBRATION // len(train.counts)))
    drawn = _log_amounts(model, train.values[rows], train.missing[rows], (seed, 3))
    return counts.fit_calibration(drawn, train.counts, rng)


def _log_amounts(model: dict, values: np.ndarray, missing: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    """Log amounts [M, 1 + D] of sampled communities, before calibration, in dequantised reads."""
    options, scaler = Options(**model["options"]), dequantise.Scaler(**_arrays(model["scaler"]))
    network = _network(model, len(scaler.mean))
    network.load_state_dict(model["network"])
    network.eval().to(options.device)
    rng, taxa, drawn = np.random.default_rng(seed), len(scaler.mean), []
    size = BATCH[options.model]
    for start in range(0, len(values), size):
        rows = slice(start, start + size)
        noise = torch.tensor(rng.standard_normal((len(values[rows]), taxa))).float()
        parts = noise, torch.tensor(values[rows]).float(), torch.tensor(missing[rows])
        found = sampling.sample(
            network,
            *(part.to(options.device) for part in parts),
            _schedule(options),
            sampler=options.sampler,
            steps=options.sample_steps,
            guidance=options.guidance,
            bound=model["bound"],
        )
        drawn.append(found.cpu().numpy())
    return counts.log_counts(dequantise.decode(np.concatenate(drawn).astype(np.float64), scaler), model["depth"])


def _network(model: dict, taxa: int) -> torch.nn.Module:
    options = Options(**model["options"])
    sizes = model["categories"], options.width, options.blocks, options.dropout
    if options.model == "transformer":
        return TokenDenoiser(model["features"], *sizes)
    if options.model == "unet":
        return LandscapeDenoiser(Canvas(**model["canvas"]), *sizes, options.patch)
    return Denoiser(taxa, *sizes)


def _schedule(options: Options) -> sampling.Schedule:
    return sampling.Schedule(options.schedule, options.train_timesteps, options.prediction)


def _plan(options: Options) -> training.Plan:
    return training.Plan(**{field.name: getattr(options, field.name) for field in dataclasses.fields(training.Plan)})


def _tensors(record: object) -> dict[str, torch.Tensor]:
    return {field.name: torch.tensor(getattr(record, field.name)) for field in dataclasses.fields(record)}


def _arrays(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
