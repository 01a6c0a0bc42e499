"""Training: noise in, target out, stopped by the loss on held-out samples.

The loss of a time is weighted by min(SNR, 5) in units of the x_0 error (min-SNR, Hang et al. 2023, arXiv:2303.09556):
min(SNR, 5) for x0, min(SNR, 5) / SNR for epsilon, min(SNR, 5) / (SNR + 1) for v.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from taxoscape.diffusion import dequantise
from taxoscape.diffusion.terms import Terms
from taxoscape.learning import checkpoint
from taxoscape.learning.communities import Samples
from taxoscape.learning.conditions import hide
from taxoscape.learning.noise import Schedule, estimate, forward_process, levels

GAMMA = 5.0
# Signal-to-noise ratios are kept from 0: epsilon's weight divides by them.
SMALLEST = 1e-8
# Optimizer steps between two looks at the held-out samples.
ROUND = 50
# Noisy copies of held-out samples in one look, at least; always the same ones.
HELD_OUT = 1024
MAX_GRAD_NORM = 1.0
# Rounds from one file of an interrupted run to the next.
KEPT = 4


@dataclass(frozen=True)
class Plan:
    """How long and how to train; keys of the config section `diffusion`."""

    steps: int  # optimizer steps at most
    batch_size: int  # samples
    lr: float
    weight_decay: float
    condition_dropout: float  # 0-1
    ema: float  # decay of the averaged weights
    patience: int  # rounds of ROUND steps without improvement
    device: str = "cpu"  # cpu | cuda
    mixed_precision: str = "none"  # none | bf16: the network's products in bfloat16


@dataclass(frozen=True)
class Batch:
    """Noisy samples [B, D] with their target, conditions, signal and noise [B]."""

    noisy: torch.Tensor
    target: torch.Tensor
    signal: torch.Tensor
    noise: torch.Tensor
    values: torch.Tensor
    missing: torch.Tensor

    def to(self, device: str) -> "Batch":
        """The batch on a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def weights(signal: torch.Tensor, noise: torch.Tensor, prediction: str) -> torch.Tensor:
    """Min-SNR weights [B] of the squared error of a target."""
    ratio = (signal**2 / noise**2).clamp(min=SMALLEST)
    kept = ratio.clamp(max=GAMMA)
    return {"x0": kept, "epsilon": kept / ratio, "v": kept / (ratio + 1)}[prediction]


def loss(network: nn.Module, batch: Batch, prediction: str, terms: Terms | None = None) -> torch.Tensor:
    """Weighted mean squared error of a batch, and further terms of what is predicted."""
    predicted = network(batch.noisy, batch.signal, batch.noise, batch.values, batch.missing).float()
    error = ((predicted - batch.target) ** 2).mean(dim=1)
    found = (weights(batch.signal, batch.noise, prediction) * error).mean()
    if terms is None:
        return found
    levels = batch.signal[:, None], batch.noise[:, None]
    return found + terms(estimate(predicted, batch.noisy, *levels, prediction), batch.signal, batch.noise)


def add_noise(samples: Samples, scaler: dequantise.Scaler, schedule: Schedule, rng: np.random.Generator) -> Batch:
    """Dequantise samples and noise each to a random time of its own."""
    clean = torch.tensor(dequantise.encode(samples.counts, scaler, rng, samples.places)).float()
    parts = noised(clean, schedule, rng)
    return Batch(*parts, torch.tensor(samples.values).float(), torch.tensor(samples.missing))


def noised(
    clean: torch.Tensor, schedule: Schedule, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clean values [B, D] -> noisy [B, D], target [B, D], signal [B] and noise [B] at a random time each."""
    scheduler = forward_process(schedule)
    noise = torch.tensor(rng.standard_normal(clean.shape)).float()
    time = torch.tensor(_stratified_times(len(clean), schedule.timesteps, rng))
    noisy = scheduler.add_noise(clean, noise, time)
    velocity = scheduler.get_velocity(clean, noise, time)
    target = {"x0": clean, "epsilon": noise, "v": velocity}[schedule.prediction]
    signal, level = (table[time] for table in levels(schedule))
    return noisy, target, signal, level


class Average:
    """Exponential moving average of a network's weights; decay min(decay, (1 + step) / (10 + step)) warms it up."""

    def __init__(self, network: nn.Module, decay: float):
        self.network, self.decay, self.step = copy.deepcopy(network).eval(), decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        self.step += 1
        for mean, weight in zip(self.network.parameters(), network.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)


def train(
    network: nn.Module,
    training: Samples,
    validation: Samples,
    scaler: dequantise.Scaler,
    schedule: Schedule,
    plan: Plan,
    seed: int,
    store: Path | None = None,
    terms: Terms | None = None,
) -> tuple[nn.Module, pd.DataFrame]:
    """Train; return the averaged network at its lowest held-out loss and the losses (step, training, validation).

    Without validation samples nothing can stop it: it trains for all of `plan.steps`. An interrupted run goes on from
    the file `store`; the randomness of a round hangs on its number, so it ends as one that was never interrupted.
    """
    held_out = _held_out(validation, scaler, schedule, seed)
    held_out, terms = (part and part.to(plan.device) for part in (held_out, terms))
    network.to(plan.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.lr, weight_decay=plan.weight_decay)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.steps)
    average, history, best = Average(network, plan.ema), [], None
    parts = {"network": network, "average": average.network, "optimizer": optimizer, "decay": decay}
    if store is not None and store.is_file():
        saved = checkpoint.load(store)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        average.step, history = saved["averaged"], [tuple(row) for row in saved["history"]]
        best = (saved["best"][0], saved["best"][1], copy.deepcopy(average.network))
        best[2].load_state_dict(saved["best"][2])
    while not history or history[-1][0] < plan.steps:
        losses, done = [], history[-1][0] if history else 0
        rng = np.random.default_rng((seed, 1, len(history)))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        torch.manual_seed(int(rng.integers(2**63)))
        for _ in range(min(ROUND, plan.steps - done)):
            rows = rng.choice(len(training.counts), plan.batch_size, replace=plan.batch_size > len(training.counts))
            batch = add_noise(training.take(rows), scaler, schedule, rng)
            batch.missing.copy_(hide(batch.missing, plan.condition_dropout, generator))
            losses.append(_take_step(network, optimizer, batch.to(plan.device), plan, schedule.prediction, terms))
            decay.step()
            average.update(network)
        step = done + len(losses)
        history.append((step, float(np.mean(losses)), _evaluate(average.network, held_out, schedule.prediction)))
        print(f"step {step}: training {history[-1][1]:.4f}, validation {history[-1][2]:.4f}")
        if held_out is None or best is None or history[-1][2] < best[0]:
            best = (history[-1][2], len(history), copy.deepcopy(average.network))
        elif len(history) - best[1] >= plan.patience:
            break
        if store is not None and len(history) % KEPT == 0:
            state = {name: part.state_dict() for name, part in parts.items()}
            chosen = [best[0], best[1], best[2].state_dict()]
            checkpoint.save({**state, "averaged": average.step, "history": history, "best": chosen}, store)
    return best[2].cpu(), pd.DataFrame(history, columns=["step", "training", "validation"])


def _take_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    plan: Plan,
    prediction: str,
    terms: Terms | None,
) -> float:
    """Take a step down the loss of a batch; its loss."""
    with torch.autocast(plan.device, torch.bfloat16, enabled=plan.mixed_precision == "bf16"):
        value = loss(network.train(), batch, prediction, terms)
    optimizer.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(network.parameters(), MAX_GRAD_NORM)
    optimizer.step()
    return value.item()


def _held_out(validation: Samples, scaler: dequantise.Scaler, schedule: Schedule, seed: int) -> Batch | None:
    if not len(validation.counts):
        return None
    copies = -(-HELD_OUT // len(validation.counts))
    rows = np.tile(np.arange(len(validation.counts)), copies)
    return add_noise(validation.take(rows), scaler, schedule, np.random.default_rng((seed, 2)))


@torch.no_grad()
def _evaluate(network: nn.Module, held_out: Batch | None, prediction: str) -> float:
    return float("nan") if held_out is None else loss(network, held_out, prediction).item()


def _stratified_times(number: int, timesteps: int, rng: np.random.Generator) -> np.ndarray:
    """Times spread evenly over the schedule in random order: less noise in the loss than independent draws."""
    return ((rng.permutation(number) + rng.uniform(size=number)) / number * timesteps).astype(np.int64)
