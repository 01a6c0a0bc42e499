"""Training: deviations from the anchor, noised; stopped by the loss on held-out subjects; goes on after a kill.

Every step draws from a stream of its own (seed, step), so that a run continued from its checkpoint takes the very
steps that an uninterrupted one takes. The untrained network counts, too: where training never beats it, it stays.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from taxoscape.diffusion.training import MAX_GRAD_NORM, Average, noised, weights
from taxoscape.forecast.denoiser import Context, Denoiser
from taxoscape.learning.conditions import hide
from taxoscape.learning.noise import Schedule

# Optimizer steps between two looks at the held-out subjects.
ROUND = 50
# Noisy held-out deviations in one look, at least; always the same ones.
HELD_OUT = 512
# Forecasts evaluated at a time.
CHUNK = 128
WARM_UP = 50  # steps over which the learning rate rises


@dataclass(frozen=True)
class Plan:
    """How long and how to train; keys of the config section `forecast`."""

    steps: int  # optimizer steps at most
    batch_size: int  # forecasts
    lr: float
    weight_decay: float
    condition_dropout: float  # 0-1
    ema: float  # decay of the averaged weights
    patience: int  # rounds of ROUND steps without improvement


@dataclass(frozen=True)
class Examples:
    """Deviations from the anchor [P, D], what they are conditioned on, and how often each is drawn [P] (sums to 1)."""

    clean: torch.Tensor
    context: Context
    chance: np.ndarray


def train(
    network: Denoiser,
    training: Examples,
    held_out: Examples,
    schedule: Schedule,
    plan: Plan,
    seed: tuple[int, ...],
    state: dict | None = None,
    keep: Callable[[dict], None] = lambda state: None,
) -> tuple[nn.Module, pd.DataFrame]:
    """Train; return the averaged network at its lowest held-out loss and the losses (step, training, validation).

    `state` is what `keep` was last given by a run that did not end; `keep` is called every round.
    """
    fixed = _noisy(held_out, schedule, np.random.default_rng((*seed, 0)), max(HELD_OUT, len(held_out.clean)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.lr, weight_decay=plan.weight_decay)
    average, history, losses, first = Average(network, plan.ema), [], [], 1
    best = {
        "loss": _evaluate(average.network, fixed, schedule),
        "round": 0,
        "network": copy.deepcopy(network.state_dict()),
    }
    if state:
        network.load_state_dict(state["network"])
        average.network.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        average.step, first, best, history = state["step"], state["step"] + 1, state["best"], state["history"]
    else:
        history.append([0, float("nan"), best["loss"]])
    for step in range(first, plan.steps + 1):
        losses.append(_take_step(network, optimizer, training, schedule, plan, step, seed))
        average.update(network)
        if step % ROUND and step < plan.steps:
            continue
        history.append([step, float(np.mean(losses)), _evaluate(average.network, fixed, schedule)])
        losses = []
        print(f"step {step}: training {history[-1][1]:.4f}, validation {history[-1][2]:.4f}")
        if history[-1][2] < best["loss"]:
            weights_ = copy.deepcopy(average.network.state_dict())
            best = {"loss": history[-1][2], "round": len(history) - 1, "network": weights_}
        if len(history) - 1 - best["round"] >= plan.patience:
            break
        keep(
            {
                "step": step,
                "network": network.state_dict(),
                "average": average.network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "best": best,
                "history": history,
            }
        )
    average.network.load_state_dict(best["network"])
    return average.network, pd.DataFrame(history, columns=["step", "training", "validation"])


def rate(step: int, steps: int) -> float:
    """Learning rate of a step as a share of the highest: a straight rise, then half a cosine to zero."""
    return min(step / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))


def _take_step(
    network: Denoiser,
    optimizer: torch.optim.Optimizer,
    training: Examples,
    schedule: Schedule,
    plan: Plan,
    step: int,
    seed: tuple[int, ...],
) -> float:
    """Take a step, all of its randomness from (seed, step); its loss."""
    rng = np.random.default_rng((*seed, step))
    torch.manual_seed(int(rng.integers(2**62)))
    rows = rng.choice(len(training.clean), plan.batch_size, p=training.chance)
    for group in optimizer.param_groups:
        group["lr"] = plan.lr * rate(step, plan.steps)
    value = _loss(network.train(), _batch(training, rows, plan.condition_dropout, schedule, rng), schedule)
    optimizer.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(network.parameters(), MAX_GRAD_NORM)
    optimizer.step()
    return value.item()


def _batch(examples: Examples, rows: np.ndarray, dropout: float, schedule: Schedule, rng: np.random.Generator):
    """Noisy, target, signal, noise and context of these examples, some of their fields hidden."""
    rows = torch.tensor(rows)
    context = examples.context.take(rows)
    hidden = hide(context.missing, dropout, torch.Generator().manual_seed(int(rng.integers(2**62))))
    context.missing.copy_(hidden)
    return (*noised(examples.clean[rows], schedule, rng), context)


def _noisy(examples: Examples, schedule: Schedule, rng: np.random.Generator, number: int):
    rows = rng.choice(len(examples.clean), number, p=examples.chance)
    return _batch(examples, rows, 0.0, schedule, rng)


def _loss(network: Denoiser, batch: tuple, schedule: Schedule) -> torch.Tensor:
    noisy, target, signal, noise, context = batch
    predicted = network(noisy, signal, noise, *network.encode(context))
    error = ((predicted - target) ** 2).mean(dim=1)
    return (weights(signal, noise, schedule.prediction) * error).mean()


@torch.no_grad()
def _evaluate(network: Denoiser, batch: tuple, schedule: Schedule) -> float:
    total, *parts, context = 0.0, *batch
    for start in range(0, len(parts[0]), CHUNK):
        rows = slice(start, start + CHUNK)
        chunk = (*(part[rows] for part in parts), context.take(rows))
        total += _loss(network.eval(), chunk, schedule).item() * len(chunk[0])
    return total / len(parts[0])
