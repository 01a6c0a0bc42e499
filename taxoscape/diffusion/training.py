"""Training: communities and conditions in, the noise's target out, stopped by the loss on held-out samples."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from taxoscape.diffusion.terms import Terms
from taxoscape.learning import dequantise, loop
from taxoscape.learning.communities import Samples
from taxoscape.learning.conditions import hide
from taxoscape.learning.loop import Place, Plan, Row
from taxoscape.learning.noise import Noised, Schedule, denoising_loss, estimate, noised

# Optimizer steps between two validations.
ROUND = 50
# Noisy copies of held-out samples in a validation, at least; always the same ones.
HELD_OUT = 1024


@dataclass(frozen=True)
class Batch:
    """Standardised log-ratios [B, D] with their conditions."""

    clean: torch.Tensor
    values: torch.Tensor
    missing: torch.Tensor

    def to(self, device: str) -> "Batch":
        """The batch on a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def encoded(samples: Samples, scaler: dequantise.Scaler, rng: np.random.Generator) -> Batch:
    """Samples as a network sees them, freshly dequantised."""
    clean = torch.tensor(dequantise.encode(samples.counts, scaler, rng, samples.places)).float()
    return Batch(clean, torch.tensor(samples.values).float(), torch.tensor(samples.missing))


def loss(network: nn.Module, batch: Batch, seen: Noised, prediction: str, terms: Terms | None) -> dict:
    """Terms of the loss: `simple_loss`, the weighted squared error, and what `terms` adds to it."""
    predicted = network(seen.noisy, seen.signal, seen.noise, batch.values, batch.missing).float()
    found = {"simple_loss": denoising_loss(predicted, seen, prediction)}
    if terms is None:
        return found
    levels = seen.signal[:, None], seen.noise[:, None]
    return found | terms(estimate(predicted, seen.noisy, *levels, prediction), seen.signal, seen.noise)


def train(
    network: nn.Module,
    training: Samples,
    validation: Samples,
    scaler: dequantise.Scaler,
    schedule: Schedule,
    plan: Plan,
    batch_size: int,
    condition_dropout: float,
    seed: int,
    place: Place = Place(),
    terms: Terms | None = None,
) -> list[Row]:
    """Train to the lowest loss of the validation samples and return the rounds; without any, for all of the plan."""
    held_out = _held_out(validation, scaler, schedule, seed, plan.device)
    terms = terms and terms.to(plan.device)
    network.to(plan.device)
    replace = batch_size > len(training.counts)

    def batches(number: int) -> Iterator[Batch]:
        rng = np.random.default_rng((seed, 1, number))
        for _ in range(plan.batches):
            rows = rng.choice(len(training.counts), batch_size, replace=replace)
            yield encoded(training.take(rows), scaler, rng)

    def losses(batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        seen = noised(batch.clean, schedule, generator).to(plan.device)
        batch.missing.copy_(hide(batch.missing, condition_dropout, generator))
        return loss(network, batch.to(plan.device), seen, schedule.prediction, terms)

    def validate() -> Row:
        found = {name: value.item() for name, value in loss(network, *held_out, schedule.prediction, terms).items()}
        total = sum(found.values())
        return {"score": total, "total_loss": total, **found}

    return loop.fit(network, batches, losses, validate if held_out else None, plan=plan, seed=(seed, 1), place=place)


def _held_out(
    validation: Samples, scaler: dequantise.Scaler, schedule: Schedule, seed: int, device: str
) -> tuple[Batch, Noised] | None:
    """The validation samples, each noised several times."""
    if not len(validation.counts):
        return None
    rows = np.tile(np.arange(len(validation.counts)), -(-HELD_OUT // len(validation.counts)))
    batch = encoded(validation.take(rows), scaler, np.random.default_rng((seed, 2)))
    generator = torch.Generator().manual_seed(loop.stream(seed, 2))
    return batch.to(device), noised(batch.clean, schedule, generator).to(device)
