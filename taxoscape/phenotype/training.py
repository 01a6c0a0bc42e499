"""Training of one member: noisy phenotypes in, one loss, the squared error of x_0; stopped by held-out groups.

Each sample is read once in a step and denoised at several noise levels, because the noise of a scalar costs nothing
beside reading the community. The loss is not weighted by the time: at high noise, where only the community says
anything, the error of x_0 is the largest by itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import torch

from taxoscape.aam import data
from taxoscape.aam.data import Batch
from taxoscape.aam.finetune import hide_asvs
from taxoscape.learning import device
from taxoscape.learning import loop as training
from taxoscape.learning.noise import Schedule, levels
from taxoscape.phenotype.network import Denoiser, Network, Tokens
from taxoscape.phenotype.options import Options
from taxoscape.taxa import Taxa

# Optimizer steps between two looks at the held-out samples.
ROUND = 25
# Noise levels of each held-out sample in one look; always the same ones.
HELD_OUT_DRAWS = 16
# Stream of the draws of held-out samples; no round reaches it.
FIXED = 10**6


@dataclass(frozen=True)
class Plan:
    """What taxoscape.learning.loop reads of its options."""

    lr: float
    weight_decay: float
    ema: float
    patience: int
    optimizer: str = "adamw"
    scheduler: str = "warmup_cosine"
    warmup: float = 0.05
    max_grad_norm: float = 1.0
    gradient_accumulation_steps: int = 1
    mixed_precision: str = "none"
    device: str = "cpu"


@dataclass(frozen=True)
class Samples:
    """What a member is trained on: counts [N, T], standardised phenotypes [N, D], fields [N, F], keys [N]."""

    counts: scipy.sparse.csr_matrix
    depth: int
    phenotypes: torch.Tensor
    values: torch.Tensor
    missing: torch.Tensor
    keys: np.ndarray


def settle(options: Options) -> None:
    """Settle the threads (taxoscape.learning.device)."""
    device.settle("cpu", options.threads, "device")


def schedule(options: Options) -> Schedule:
    """Cosine schedule, the network predicts x_0."""
    return Schedule("cosine", options.train_timesteps, "x0")


def make_network(taxa: Taxa, categories: list[int], phenotypes: int, options: Options) -> Network:
    """Network of random weights."""
    tokens = Tokens(taxa, categories, options.width, options.graph_layers, options.layers, options.dropout)
    return Network(tokens, Denoiser(phenotypes, options.width, options.blocks, options.dropout))


def read(samples: Samples, rows: np.ndarray, options: Options, seed: tuple[int, ...]) -> Batch:
    """Draw the reads of samples `rows` anew, from the streams (seed, key of the sample), and gather their taxa."""
    drawn = data.rarefy(samples.counts[rows], samples.depth, seed, samples.keys[rows])
    return replace(data.make_batch(drawn, np.arange(len(rows)), options.token_limit), rows=rows)


def tokens_of(network: Network, samples: Samples, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [B, S, W] of a batch, and which are present [B, S]."""
    rows = torch.from_numpy(batch.rows)
    taxa = batch.unique[batch.gather]
    return network.tokens(taxa, batch.abundance, batch.present, samples.values[rows], samples.missing[rows])


def noised(clean: torch.Tensor, draws: int, times: Schedule, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Noisy copies [B, K, D] of phenotypes [B, D], each at a time of its own, with its signal and noise [B, K].

    Times are spread evenly over the schedule, in random order.
    """
    shape = len(clean), draws
    number = len(clean) * draws
    place = torch.randperm(number, generator=generator) + torch.rand(number, generator=generator)
    time = (place / number * times.timesteps).long().clamp(max=times.timesteps - 1).view(shape)
    signal, noise = (table[time] for table in levels(times))
    drawn = torch.randn(*shape, clean.shape[1], generator=generator)
    return signal[..., None] * clean[:, None] + noise[..., None] * drawn, signal, noise


def loss(
    network: Network, samples: Samples, batch: Batch, draws: int, times: Schedule, generator: torch.Generator
) -> torch.Tensor:
    """Mean squared error of x_0 over the samples of a batch and `draws` noise levels of each."""
    clean = samples.phenotypes[torch.from_numpy(batch.rows)]
    noisy, signal, noise = noised(clean, draws, times, generator)
    guess = network.denoiser(noisy, signal, noise, *tokens_of(network, samples, batch))
    return ((guess - clean[:, None]) ** 2).mean()


def train(
    samples: Samples,
    taxa: Taxa,
    rows: tuple[np.ndarray, np.ndarray],
    categories: list[int],
    options: Options,
    seed: tuple[int, ...],
    store: training.Store | None = None,
) -> tuple[Network, list[dict[str, float]]]:
    """Train on samples rows[0], stop on rows[1]; the averaged network at its lowest held-out loss, and the losses."""
    learned, held = rows
    times = schedule(options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.stream(*seed))
        network = make_network(taxa, categories, samples.phenotypes.shape[1], options)
    fixed = read(samples, held, options, (*seed, FIXED))

    def losses(batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        batch = hide_asvs(batch, options.asv_dropout, generator)
        return {"loss": loss(network, samples, batch, options.noise_draws, times, generator)}

    def validate() -> dict[str, float]:
        generator = torch.Generator().manual_seed(training.stream(*seed, FIXED))
        return {"score": float(loss(network, samples, fixed, HELD_OUT_DRAWS, times, generator))}

    history = training.fit(
        network,
        _batches(samples, learned, options, seed),
        losses,
        validate,
        options=Plan(options.lr, options.weight_decay, options.ema, options.patience),
        epochs=-(-options.steps // ROUND),
        steps=ROUND,
        seed=seed,
        store=store,
    )
    return network, history


def _batches(
    samples: Samples, learned: np.ndarray, options: Options, seed: tuple[int, ...]
) -> Callable[[int], Iterator[Batch]]:
    """Batches of a round: samples in random order, over and over, each time with reads drawn anew."""
    size = min(options.batch_size, len(learned))

    def batches(number: int) -> Iterator[Batch]:
        generator = np.random.default_rng((*seed, number))
        order = np.concatenate([generator.permutation(learned) for _ in range(-(-ROUND * size // len(learned)))])
        for step in range(ROUND):
            yield read(samples, order[step * size : (step + 1) * size], options, (*seed, number, step))

    return batches
