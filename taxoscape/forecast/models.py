"""Forecasters: fit them, save them, load them, and draw from them: the anchor, the network and the spread, per fold.

A forecast is the anchor plus the standard deviation of its error times what the network draws; how far draws lie
from their median is then scaled so that intervals hold what they promise on held-out subjects (`spread`).
"""

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from taxoscape.compositions import clr_inverse
from taxoscape.errors import InputError
from taxoscape.forecast import anchor as anchors
from taxoscape.forecast import spread as spreads
from taxoscape.forecast import training
from taxoscape.forecast.anchor import Anchor
from taxoscape.forecast.asked import Conditioned, ask, condition
from taxoscape.forecast.courses import Courses, Task, tasks, typical_step
from taxoscape.forecast.denoiser import Denoiser
from taxoscape.forecast.spread import Spread
from taxoscape.learning import checkpoint
from taxoscape.learning.loop import Place, Plan, Row, rounds_of
from taxoscape.learning.noise import Schedule, sample

# The x_0 estimate stays within this many times the largest training deviation.
MARGIN = 1.2
# Exponent of the sampling times: taxa that hardly scatter need steps at little noise.
SPACING = 2.0
# Taxa of communities sampled at a time: what a layer needs of them stays in a core's cache. Of 1,603 taxa, 10
# communities at a time take 0.4 of the time of 64.
TOKENS = 2**14
# Held-out forecasts that the spread is fitted on, at most.
CALIBRATION = 150
# Streams of noise.
FUTURE, EVALUATED, CALIBRATED = range(3)


@dataclass(frozen=True)
class Options:
    """Config section `forecast`."""

    enabled: bool
    interventions: list[str]
    what_if: dict[str, list]
    horizons: list[float] | None  # unit of metadata.time
    subject: str | None  # of the animation
    validation: float  # share of a fold's training subjects that stops and calibrates
    width: int
    blocks: int
    dropout: float  # 0-1
    steps: int  # optimizer steps at most
    batch_size: int  # forecasts
    lr: float
    weight_decay: float
    prediction: str  # v | x0
    train_timesteps: int
    sample_steps: int
    condition_dropout: float  # 0-1
    ema: float
    patience: int  # rounds of 50 steps
    subjects: int | None  # forecast, those with most samples; None = all
    draws: int
    kept_draws: int  # written as counts
    targets: int  # forecasts of a subject and horizon that are evaluated, at most
    bootstraps: int
    threads: int
    processes: int  # that train one model together
    device: str  # cpu | cuda


@dataclass(frozen=True)
class Forecaster:
    """The forecaster of a fold: anchor, weights of the network, spread, and the subjects that they were fitted to."""

    options: Options
    categories: list[int]  # per field: number of categories, 0 = continuous
    taxa: list[str]
    anchor: Anchor
    seen: np.ndarray  # [D] whether a training sample has the taxon
    trained: list[str]  # subjects
    held_out: list[str]  # subjects that stopped and calibrated it
    network: dict[str, torch.Tensor] | None = None
    bound: float = 0.0  # of standardised estimates
    spread: Spread | None = None


@dataclass(frozen=True)
class Forecasters:
    """The forecasters of all folds."""

    folds: dict[int, Forecaster]

    def on(self, device: str) -> "Forecasters":
        """The same, to draw on a device."""
        return Forecasters(
            {fold: replace(one, options=replace(one.options, device=device)) for fold, one in self.folds.items()}
        )


def read_forecasters(path: str | Path, device: str) -> Forecasters:
    """Forecasters of a checkpoint, to draw on a device; InputError for another kind of file."""
    return checkpoint.load(path, Forecasters, "give the results/forecast/model.pt of this version").on(device)


def fit(
    courses: Courses,
    trained: np.ndarray,
    held_out: np.ndarray,
    options: Options,
    seed: tuple[int, ...],
    place: Place = Place(),
) -> tuple[Forecaster, list[Row]]:
    """Fit to the subjects `trained`, stopped and calibrated by `held_out` -> forecaster, rounds of its training."""
    known = courses.take(np.flatnonzero(np.isin(courses.subjects, trained)))
    found = anchors.fit(
        known.subjects,
        known.time,
        known.values,
        known.shares,
        known.fields,
        known.missing,
        categories=courses.categories,
        planned=np.isin(courses.field_names, options.interventions),
        step=typical_step(courses, trained),
    )
    sets = [tasks(courses, subjects) for subjects in (trained, held_out)]
    if not all(sets):
        raise InputError(
            f"forecast: {len(trained)} training and {len(held_out)} held-out subjects do not both hold one with two "
            "time points: lower metadata.folds, or set forecast.enabled: false"
        )
    model = Forecaster(
        options,
        courses.categories,
        courses.taxa.tolist(),
        found,
        known.counts.sum(axis=0) > 0,
        trained.tolist(),
        held_out.tolist(),
    )
    torch.manual_seed(int(np.random.default_rng((*seed, 0)).integers(2**62)))
    network, examples = _network(model), [_examples(courses, found, part, options) for part in sets]
    print(f"{sum(w.numel() for w in network.parameters()):,} weights, {len(sets[0])} training tasks of {len(trained)}")
    steps = options.batch_size, options.condition_dropout
    warmup = min(training.WARM_UP, options.steps // 2)
    plan = Plan.of(options, *rounds_of(options.steps, training.ROUND), warmup=warmup, start_counts=True)
    history = training.train(network, *examples, schedule(options), plan, *steps, seed, place)
    bound = MARGIN * float(examples[0].clean.abs().max())
    model = replace(model, network=network.cpu().state_dict(), bound=bound)
    return replace(model, spread=_calibrate(model, courses, sets[1], seed)), history


def draw(model: Forecaster, conditioned: Conditioned, noise: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Centred log-ratios [P, S, D] of P forecasts from noise [P, S, D]; `first` [P]: whether of the next sample."""
    return _drawn(model, conditioned, _errors(model, conditioned, noise), first, model.spread.factors)


def draw_anchor(model: Forecaster, conditioned: Conditioned, noise: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The same of the anchor without the network: noise is its error, and its spread has factors of its own."""
    return _drawn(model, conditioned, noise, first, model.spread.anchor_factors)


def draw_each(model: Forecaster, conditioned: Conditioned, noise: np.ndarray, first: bool) -> np.ndarray:
    """One draw [S, D] of each of S questions about one subject and time, from noise [S, D]; spread as by `draw`."""
    errors = _errors(model, conditioned, noise[:, None])[:, 0]
    errors = spreads.apply(errors[None], model.spread.factors[[int(first)]])[0]
    drawn = conditioned.mean + errors * conditioned.scale[:, None] * model.anchor.std
    return drawn - drawn.mean(axis=-1, keepdims=True)


def point(model: Forecaster, conditioned: Conditioned, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Point forecasts [P, D] of log-ratios and of shares, blended of the anchor's and the draws' [P, S, D]."""
    of_values, of_shares = model.spread.blend
    values, shares = centres(drawn)
    return (
        conditioned.mean + of_values * (values - conditioned.mean),
        conditioned.shares + of_shares * (shares - conditioned.shares),
    )


def centres(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean log-ratios [..., D] and median shares [..., D] (closed) of draws [..., S, D]."""
    shares = np.median(clr_inverse(drawn), axis=-2)
    return drawn.mean(axis=-2), shares / shares.sum(axis=-1, keepdims=True)


def _drawn(
    model: Forecaster, conditioned: Conditioned, errors: np.ndarray, first: np.ndarray, factors: np.ndarray
) -> np.ndarray:
    """Centred log-ratios [P, S, D] of P forecasts: anchor plus errors [P, S, D], spread by `factors` [2, 2]."""
    errors = spreads.apply(errors, factors[np.asarray(first, dtype=int)])
    drawn = conditioned.mean[:, None] + errors * conditioned.scale[:, None, None] * model.anchor.std
    return drawn - drawn.mean(axis=-1, keepdims=True)


def _errors(model: Forecaster, conditioned: Conditioned, noise: np.ndarray) -> np.ndarray:
    """Errors [P, S, D] of the anchor, in units of its scale, as the network draws them from noise."""
    options, network = model.options, _network(model)
    network.load_state_dict(model.network)
    network.eval().to(options.device)
    number, draws, taxa = noise.shape
    context = conditioned.context.to(options.device)
    with torch.no_grad():
        parts = [network.encode(context.take(slice(row, row + 64))) for row in range(0, number, 64)]
        of_taxa, community = (torch.cat(part) for part in zip(*parts, strict=True))
    errors = np.empty((number * draws, taxa))
    flat = torch.tensor(noise.reshape(-1, taxa)).float().to(options.device)
    owner = torch.arange(number).repeat_interleave(draws)
    size = max(1, TOKENS // taxa)
    for start in range(0, len(flat), size):
        rows = slice(start, start + size)
        encoded = of_taxa[owner[rows]], community[owner[rows]]
        empty = torch.zeros(len(flat[rows]), 0, device=options.device)

        def network_of(x, a, s, values, hidden, encoded=encoded):
            return network(x, a, s, *encoded)

        errors[rows] = (
            sample(
                network_of,
                flat[rows],
                empty,
                empty > 0,
                schedule(options),
                sampler="dpm",
                steps=options.sample_steps,
                guidance=1.0,
                bound=model.bound,
                spacing=SPACING,
            )
            .cpu()
            .numpy()
        )
    return errors.reshape(noise.shape)


def noise_of(seed: int, stream: int, subject: str, time: float, draws: int, taxa: int) -> np.ndarray:
    """Noise [S, D] that belongs to this subject and time alone, in pairs of opposite sign (a mean of less noise)."""
    key = zlib.crc32(f"{subject}\t{time!r}".encode())
    half = np.random.default_rng((seed, stream, key)).standard_normal((-(-draws // 2), taxa))
    return np.concatenate([half, -half])[:draws]


def schedule(options: Options) -> Schedule:
    """Cosine schedule with the option's prediction."""
    return Schedule("cosine", options.train_timesteps, options.prediction)


def _examples(courses: Courses, found: Anchor, part: list[Task], options: Options) -> training.Examples:
    """Deviations of what was observed from the anchor."""
    conditioned = condition(found, ask(courses, found, part, options.interventions))
    targets = courses.values[[task.target for task in part]]
    clean = (targets - conditioned.mean) / (conditioned.scale[:, None] * found.std)
    return training.Examples(torch.tensor(clean).float(), conditioned.context, chance_of(part))


def chance_of(part: list[Task]) -> np.ndarray:
    """How often each task [P] is drawn (sums to 1): subjects weigh the same, next samples as much as all others."""
    kinds = pd.Series([(task.subject, task.first) for task in part])
    chance = (1.0 / kinds.map(kinds.value_counts())).to_numpy()
    return chance / chance.sum()


def _calibrate(model: Forecaster, courses: Courses, part: list[Task], seed: tuple[int, ...]) -> Spread:
    """Spread of the forecast, and of the anchor alone, by the same held-out tasks and noise."""
    options, found = model.options, model.anchor
    chosen = np.random.default_rng((*seed, 1)).choice(
        len(part), min(CALIBRATION, len(part)), replace=False, p=chance_of(part)
    )
    part = [part[row] for row in np.sort(chosen)]
    conditioned = condition(found, ask(courses, found, part, options.interventions))
    noise = np.array([noise_of(seed[0], CALIBRATED, t.subject, t.time, options.draws, len(found.std)) for t in part])
    first, targets = np.array([task.first for task in part]), [task.target for task in part]
    observed, observed_shares = courses.values[targets], courses.shares[targets]
    errors = _errors(model, conditioned, noise)
    factors, anchor_factors = (
        spreads.fit_factors(_drawn(model, conditioned, scatter, first, spreads.UNSCALED), observed, first)
        for scatter in (errors, noise)
    )
    values, shares = centres(_drawn(model, conditioned, errors, first, factors))
    blend = [
        spreads.fit_blend(conditioned.mean, values, observed, 2),
        spreads.fit_blend(conditioned.shares, shares, observed_shares, 1),
    ]
    return Spread(factors, anchor_factors, np.array(blend))


def _network(model: Forecaster) -> Denoiser:
    options = model.options
    return Denoiser(len(model.taxa), model.categories, options.width, options.blocks, options.dropout)
