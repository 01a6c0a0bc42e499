"""Sampling: noise -> values, as a pure function of a network, the noise and the numbers of the schedule.

At every time the network's target becomes an estimate of x_0, guided and bounded, and the scheduler (diffusers')
takes the step: DDIM (Song et al. 2021, arXiv:2010.02502) or DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095). Times
are spaced "trailing", so that sampling starts at pure noise (Lin et al. 2024, arXiv:2305.08891).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

# Signal-to-noise ratio at which the weight of a time stops to grow (min-SNR, Hang et al. 2023, arXiv:2303.09556), and
# the smallest: epsilon's weight divides by it.
GAMMA, SMALLEST = 5.0, 1e-8
# (noisy [B, D], signal [B], noise [B], values [B, F], missing [B, F]) -> target [B, D]
Network = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Schedule:
    """Noise schedule and what the network predicts."""

    name: str  # cosine | linear
    timesteps: int
    prediction: str  # v | x0 | epsilon


def betas(schedule: Schedule) -> dict:
    """Arguments that every diffusers scheduler of this schedule shares; both end at (nearly) no signal."""
    if schedule.name == "cosine":
        return {"num_train_timesteps": schedule.timesteps, "beta_schedule": "squaredcos_cap_v2"}
    return {"num_train_timesteps": schedule.timesteps, "beta_schedule": "linear", "rescale_betas_zero_snr": True}


@cache
def forward_process(schedule: Schedule) -> DDPMScheduler:
    """The scheduler that adds noise in training; made once, because its table of betas is a loop in Python."""
    return DDPMScheduler(**betas(schedule))


def levels(schedule: Schedule) -> tuple[torch.Tensor, torch.Tensor]:
    """Signal a [T] and noise s [T] of every training time; a^2 + s^2 = 1."""
    remaining = forward_process(schedule).alphas_cumprod
    return remaining.sqrt(), (1 - remaining).sqrt()


@dataclass(frozen=True)
class Noised:
    """Noisy values [..., D] with what a network is to say of them [..., D], signal and noise [...]."""

    noisy: torch.Tensor
    target: torch.Tensor
    signal: torch.Tensor
    noise: torch.Tensor

    def to(self, device: str) -> "Noised":
        """The values on a device."""
        return Noised(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def __getitem__(self, rows: slice) -> "Noised":
        return Noised(**{name: tensor[rows] for name, tensor in vars(self).items()})


def noised(clean: torch.Tensor, schedule: Schedule, generator: torch.Generator) -> Noised:
    """Bring clean values [..., D] to a random time each.

    The times are spread evenly over the schedule, in random order: less noise in a loss than independent times.
    """
    number = clean[..., 0].numel()
    place = torch.randperm(number, generator=generator) + torch.rand(number, generator=generator)
    time = (place / number * schedule.timesteps).long().clamp(max=schedule.timesteps - 1).view(clean.shape[:-1])
    signal, level = (table[time] for table in levels(schedule))
    noise = torch.randn(clean.shape, generator=generator)
    a, s = signal[..., None], level[..., None]
    target = {"x0": clean, "epsilon": noise, "v": a * noise - s * clean}[schedule.prediction]
    return Noised(a * clean + s * noise, target, signal, level)


def snr_weights(signal: torch.Tensor, noise: torch.Tensor, prediction: str) -> torch.Tensor:
    """Weights [B] of the squared error of a target: min(SNR, GAMMA) in units of the error of x_0.

    That is min(SNR, GAMMA) for x0, divided by SNR for epsilon and by SNR + 1 for v.
    """
    ratio = (signal**2 / noise**2).clamp(min=SMALLEST)
    kept = ratio.clamp(max=GAMMA)
    return {"x0": kept, "epsilon": kept / ratio, "v": kept / (ratio + 1)}[prediction]


def denoising_loss(predicted: torch.Tensor, batch: Noised, prediction: str) -> torch.Tensor:
    """Mean squared error of predicted targets [B, D], weighted by the signal-to-noise ratio."""
    error = ((predicted.float() - batch.target) ** 2).mean(dim=1)
    return (snr_weights(batch.signal, batch.noise, prediction) * error).mean()


def estimate(
    target: torch.Tensor, noisy: torch.Tensor, signal: torch.Tensor, noise: torch.Tensor, prediction: str
) -> torch.Tensor:
    """x_0 [B, D] that a predicted target [B, D] means, at signal [B, 1] and noise [B, 1]."""
    if prediction == "x0":
        return target
    if prediction == "v":
        return signal * noisy - noise * target
    # The smallest signal of a float32 schedule: at pure noise a predicted noise says nothing of x_0.
    return (noisy - noise * target) / signal.clamp(min=1e-4)


@torch.no_grad()
def sample(
    network: Network,
    noise: torch.Tensor,
    values: torch.Tensor,
    missing: torch.Tensor,
    schedule: Schedule,
    *,
    sampler: str,
    steps: int,
    guidance: float,
    bound: float,
    spacing: float | None = None,
) -> torch.Tensor:
    """Turn noise [B, D] into values [B, D] at conditions (values [B, F], missing [B, F]).

    guidance: x_0 = hidden + guidance (shown - hidden), where hidden is the estimate without conditions; 1 = none.
    bound: estimates are kept within +-bound, the range of the training values.
    spacing: exponent of the times (`times`), for dpm; None spaces them evenly.
    """
    scheduler, (signals, noises) = _scheduler(schedule, sampler), levels(schedule)
    if spacing is None:
        scheduler.set_timesteps(steps)
    else:
        scheduler.set_timesteps(timesteps=times(schedule, steps, spacing))
    x = noise
    for time in scheduler.timesteps:
        a, s = signals[time].expand(len(x)).to(x), noises[time].expand(len(x)).to(x)

        def clean(hidden: torch.Tensor, x=x, a=a, s=s) -> torch.Tensor:
            return estimate(network(x, a, s, values, hidden), x, a[:, None], s[:, None], schedule.prediction)

        x0 = clean(missing)
        if guidance != 1:
            unconditional = clean(torch.ones_like(missing))
            x0 = unconditional + guidance * (x0 - unconditional)
        x = scheduler.step(x0.clamp(-bound, bound), time, x).prev_sample
    return x


def times(schedule: Schedule, steps: int, spacing: float) -> list[int]:
    """Times (T - 1) (k / steps)^spacing for k from `steps` to 1, each once: above 1 they are dense near the data.

    The last step goes straight to the estimate, so what varies by less than the noise at the last time comes out too
    narrow: of values with standard deviation 0.1, 8 even steps leave 42 % of it, 12 with spacing 2 all of it.
    """
    places = np.round((schedule.timesteps - 1) * (np.arange(steps, 0, -1) / steps) ** spacing).astype(int)
    return list(dict.fromkeys(places.tolist()))


def _scheduler(schedule: Schedule, sampler: str):
    shared = {**betas(schedule), "prediction_type": "sample", "timestep_spacing": "trailing"}
    if sampler == "ddim":
        return DDIMScheduler(**shared, clip_sample=False)
    return DPMSolverMultistepScheduler(**shared, algorithm_type="dpmsolver++")
