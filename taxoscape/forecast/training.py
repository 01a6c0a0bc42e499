"""Training: deviations from the anchor, noised; stopped by the loss on held-out subjects.

The untrained network counts, too: where training never beats it, the anchor stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from taxoscape.forecast.denoiser import Context, Denoiser
from taxoscape.learning import loop
from taxoscape.learning.conditions import hide
from taxoscape.learning.loop import Place, Plan, Row
from taxoscape.learning.noise import Noised, Schedule, denoising_loss, noised

# Optimizer steps between two validations.
ROUND = 50
# Noisy held-out deviations in a validation, at least; always the same ones.
HELD_OUT = 512
# Forecasts evaluated at a time.
CHUNK = 128
WARM_UP = 50  # steps over which the learning rate rises


@dataclass(frozen=True)
class Examples:
    """Deviations from the anchor [P, D], their context, and the chance [P] of each in a batch (sums to 1)."""

    clean: torch.Tensor
    context: Context
    chance: np.ndarray


def train(
    network: Denoiser,
    training: Examples,
    held_out: Examples,
    schedule: Schedule,
    plan: Plan,
    batch_size: int,
    condition_dropout: float,
    seed: tuple[int, ...],
    place: Place = Place(),
) -> list[Row]:
    """Train to the lowest loss of the held-out examples and return the rounds."""
    network.to(plan.device)
    rng = np.random.default_rng((*seed, 0))
    chosen = rng.choice(len(held_out.clean), max(HELD_OUT, len(held_out.clean)), p=held_out.chance)
    fixed = noised(held_out.clean[chosen], schedule, torch.Generator().manual_seed(loop.stream(*seed, 0)))

    def batches(number: int) -> Iterator[np.ndarray]:
        rng = np.random.default_rng((*seed, 1, number))
        for _ in range(plan.batches):
            yield rng.choice(len(training.clean), batch_size, p=training.chance)

    def losses(rows: np.ndarray, generator: torch.Generator) -> dict[str, torch.Tensor]:
        context = training.context.take(torch.tensor(rows))
        context.missing.copy_(hide(context.missing, condition_dropout, generator))
        return {"simple_loss": _loss(network, noised(training.clean[rows], schedule, generator), context, schedule)}

    def validate() -> Row:
        total = 0.0
        for start in range(0, len(chosen), CHUNK):
            part = chosen[start : start + CHUNK]
            seen, context = fixed[start : start + CHUNK], held_out.context.take(torch.tensor(part))
            total += _loss(network, seen, context, schedule).item() * len(part) / len(chosen)
        return {"score": total, "total_loss": total, "simple_loss": total}

    return loop.fit(network, batches, losses, validate, plan=plan, seed=(*seed, 1), place=place)


def _loss(network: Denoiser, seen: Noised, context: Context, schedule: Schedule) -> torch.Tensor:
    """Weighted squared error of a batch."""
    device = network.leave.weight.device
    seen, context = seen.to(device), context.to(device)
    predicted = network(seen.noisy, seen.signal, seen.noise, *network.encode(context))
    return denoising_loss(predicted, seen, schedule.prediction)
