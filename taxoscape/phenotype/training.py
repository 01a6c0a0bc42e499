"""Training of one member: noisy phenotypes in, one loss, the squared error of x_0; stopped by held-out groups.

Each sample is read once in a step and denoised at several noise levels, because the noise of a scalar costs nothing
compared with reading the community. The loss is not weighted by the time: at high noise, where only the community is
informative, the error of x_0 is the largest by itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
import torch

from taxoscape.learning import batches, loop
from taxoscape.learning.batches import Batch
from taxoscape.learning.loop import Place, Plan
from taxoscape.learning.noise import Schedule, noised
from taxoscape.phenotype.network import Denoiser, Network, Tokens
from taxoscape.phenotype.options import Options
from taxoscape.taxa import Taxa

# Optimizer steps between two validations.
ROUND = 25
# Noise levels of each held-out sample in a validation; always the same ones.
HELD_OUT_DRAWS = 16
# Stream of the draws of held-out samples; no round reaches it.
FIXED = 10**6


@dataclass(frozen=True)
class Samples:
    """What a member is trained on: counts [N, T], standardised phenotypes [N, D], fields [N, F], keys [N]."""

    counts: scipy.sparse.csr_matrix
    depth: int
    phenotypes: torch.Tensor
    values: torch.Tensor
    missing: torch.Tensor
    keys: np.ndarray


def schedule(options: Options) -> Schedule:
    """Cosine schedule, the network predicts x_0."""
    return Schedule("cosine", options.train_timesteps, "x0")


def make_network(taxa: Taxa, categories: list[int], phenotypes: int, options: Options) -> Network:
    """Network of random weights."""
    tokens = Tokens(taxa, categories, options.width, options.graph_layers, options.layers, options.dropout)
    return Network(tokens, Denoiser(phenotypes, options.width, options.blocks, options.dropout)).to(options.device)


def read(samples: Samples, rows: np.ndarray, options: Options, seed: tuple[int, ...]) -> Batch:
    """Draw the reads of samples `rows` anew, from the streams (seed, key of the sample), and gather their taxa."""
    drawn = batches.rarefy(samples.counts[rows], samples.depth, seed, samples.keys[rows])
    return replace(batches.make_batch(drawn, np.arange(len(rows)), options.token_limit), rows=rows)


def tokens_of(network: Network, samples: Samples, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [B, S, W] of a batch, and which are present [B, S]."""
    rows, device = torch.from_numpy(batch.rows), network.device
    batch = batch.to(device)
    fields = samples.values[rows].to(device), samples.missing[rows].to(device)
    return network.tokens(batch.unique[batch.gather], batch.abundance, batch.present, *fields)


def loss(
    network: Network, samples: Samples, batch: Batch, draws: int, times: Schedule, generator: torch.Generator
) -> torch.Tensor:
    """Mean squared error of x_0 over the samples of a batch and `draws` noise levels of each."""
    clean = samples.phenotypes[torch.from_numpy(batch.rows), None].expand(-1, draws, -1)  # [B, K, D]
    seen = noised(clean, times, generator).to(network.device)
    guess = network.denoiser(seen.noisy, seen.signal, seen.noise, *tokens_of(network, samples, batch))
    return ((guess.float() - seen.target) ** 2).mean()


def train(
    samples: Samples,
    taxa: Taxa,
    rows: tuple[np.ndarray, np.ndarray],
    categories: list[int],
    options: Options,
    seed: tuple[int, ...],
    place: Place = Place(),
) -> tuple[Network, list[dict[str, float]]]:
    """Train on samples rows[0], stop on rows[1]; the averaged network at its lowest held-out loss, and the losses."""
    learned, held = rows
    times = schedule(options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(loop.stream(*seed))
        network = make_network(taxa, categories, samples.phenotypes.shape[1], options)
    fixed = read(samples, held, options, (*seed, FIXED))

    def losses(batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        batch = batches.hide_asvs(batch, options.asv_dropout, generator)
        return {"simple_loss": loss(network, samples, batch, options.noise_draws, times, generator)}

    def validate() -> dict[str, float]:
        generator = torch.Generator().manual_seed(loop.stream(*seed, FIXED))
        value = float(loss(network, samples, fixed, HELD_OUT_DRAWS, times, generator))
        return {"score": value, "total_loss": value, "simple_loss": value}

    plan = Plan.of(options, *loop.rounds_of(options.steps, ROUND))
    make = _batches(samples, learned, options, seed, plan.batches)
    return network, loop.fit(network, make, losses, validate, plan=plan, seed=seed, place=place)


def _batches(
    samples: Samples, learned: np.ndarray, options: Options, seed: tuple[int, ...], number: int
) -> Callable[[int], Iterator[Batch]]:
    """`number` batches of a round: samples in random order, over and over, each time with reads drawn anew."""
    size = min(options.batch_size, len(learned))

    def make(round_: int) -> Iterator[Batch]:
        generator = np.random.default_rng((*seed, round_))
        order = np.concatenate([generator.permutation(learned) for _ in range(-(-number * size // len(learned)))])
        for step in range(number):
            yield read(samples, order[step * size : (step + 1) * size], options, (*seed, round_, step))

    return make
