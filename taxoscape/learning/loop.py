"""The training loop of all learned stages: batch, loss, step, validate, stop, keep.

A round ends with a validation: an epoch, or a fixed number of steps. All randomness comes from (seed, round, batch),
so that a run that goes on after an interruption ends as one that was never interrupted, and one of several processes
(`processes.team`) as one of a single process.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch import nn

from taxoscape.errors import InputError
from taxoscape.learning import checkpoint
from taxoscape.learning.monitor import Monitor
from taxoscape.learning.processes import team

Row = dict[str, float]  # what a round gave: round, step, losses, lr, skipped_steps, val_ scores
Losses = Callable[[object, torch.Generator], dict[str, torch.Tensor]]

# Writing what a run can go on from takes at most this share of the time.
WRITING = 0.1


@dataclass(frozen=True)
class Plan:
    """How long and how a network is trained; what only some stages let choose has its value here."""

    rounds: int  # at most
    batches: int  # of a round
    lr: float  # the highest
    weight_decay: float  # of matrices
    patience: int  # rounds without improvement
    ema: float = 0.0  # decay of the averaged weights, which are validated and kept; 0 = none
    warmup: float = 0.05  # share of the steps, or from 1 on their number
    optimizer: str = "adamw"  # adamw | adam | sgd
    scheduler: str = "warmup_cosine"  # warmup_cosine | cosine | plateau | onecycle
    max_grad_norm: float = 1.0
    gradient_accumulation_steps: int = 1  # batches of one process whose gradients make one step
    mixed_precision: str = "none"  # none | bf16
    device: str = "cpu"
    start_counts: bool = False  # whether the untrained network is validated, and kept where training does not beat it

    @classmethod
    def of(cls, options: object, rounds: int, batches: int, **more: object) -> "Plan":
        """Plan of a stage's options: what they have of it counts, and what is given in `more`."""
        shared = {one.name: getattr(options, one.name) for one in fields(cls) if hasattr(options, one.name)}
        return cls(**shared | {"rounds": rounds, "batches": batches} | more)

    @property
    def at_a_time(self) -> int:
        """Batches of one step, of all processes."""
        return self.gradient_accumulation_steps * team().size

    @property
    def steps(self) -> int:
        """Optimizer steps at most."""
        return self.rounds * -(-self.batches // self.at_a_time)


@dataclass(frozen=True)
class Place:
    """Where a training is kept and shown. Only a run with equal `demands` goes on from what is kept."""

    resume: Path | None = None  # file, or folder of several trainings' files
    shown: Path | None = None  # folder of TensorBoard and metrics.jsonl
    demands: dict[str, object] = field(default_factory=dict)  # name -> plain value
    name: str = ""  # of one of several trainings

    def of(self, name: str) -> "Place":
        """The place of one of several trainings."""
        resume, shown = self.resume and self.resume / f"{name}.pt", self.shown and self.shown / name
        return replace(self, resume=resume, shown=shown, name=name)


def place_of(stage: str, parameters: dict, inputs: list[str], log: str) -> Place:
    """Place of a rule's training: kept in the stage's results by all that it depends on, shown next to its log."""
    return Place(checkpoint.resume_folder(stage, parameters, inputs), Path(log).with_suffix(""))


@dataclass
class Progress:
    """How far a training is; `best` are the weights to be kept."""

    best: dict[str, torch.Tensor]
    score: float = math.inf
    round: int = 0
    waited: int = 0  # rounds since the best
    history: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class InterruptedRun:
    """What a run goes on from: its progress, the states of network, optimizer, scheduler and average, its demands."""

    progress: Progress
    states: dict[str, object]
    demands: dict[str, object]


def fit(
    network: nn.Module,
    batches: Callable[[int], Iterable],
    losses: Losses,
    validate: Callable[[], Row] | None,
    *,
    plan: Plan,
    seed: tuple[int, ...],
    place: Place = Place(),
) -> list[Row]:
    """Train `network` in place and return a row per round; the weights of the best round stay.

    `batches(round)` gives the batches of a round, `losses(batch, generator)` the terms whose sum is minimised,
    `validate()` scores of which "score" is to be low (None: the last round stays). Raises InputError where the first
    round gives no number: its result would be a random start.
    """
    optimizer = make_optimizer(network, plan)
    parts = {"network": network, "optimizer": optimizer, "scheduler": make_scheduler(optimizer, plan)}
    if plan.ema:
        parts["average"] = EMAModel(network.parameters(), decay=plan.ema)
    progress = Progress(copy.deepcopy(network.state_dict()))
    if place.resume is not None and place.resume.is_file():
        progress = _restore(place, parts)
    elif plan.start_counts and validate:
        _judge(progress, {"round": 0, "step": 0}, network, evaluated(network, validate))
    title = f"{place.name}: " if place.name else ""
    monitor = Monitor(place.shown, progress.history, plan.rounds, plan.batches, title)
    saver = _Saver(place, parts)
    while progress.round < plan.rounds and progress.waited < plan.patience:
        with torch.random.fork_rng(devices=[]):
            group = batches(progress.round)
            row = train_round(network, group, losses, parts, plan, (*seed, progress.round), monitor)
        progress.round += 1
        with averaged(network, parts.get("average")):
            scores = evaluated(network, validate) if validate else {}
            _judge(progress, {"round": progress.round, **row}, network, scores)
        if isinstance(parts["scheduler"], torch.optim.lr_scheduler.ReduceLROnPlateau):
            parts["scheduler"].step(scores.get("score", row["total_loss"]))
        monitor.round(progress.history, network)
        saver.save(progress)
    monitor.close()
    network.load_state_dict(progress.best)
    network.eval()
    return progress.history


def train_round(
    network: nn.Module,
    batches: Iterable,
    losses: Losses,
    parts: dict,
    plan: Plan,
    seed: tuple[int, ...],
    monitor: Monitor,
) -> Row:
    """Take a step per group of batches; the mean of each loss, the learning rate and the steps that were not finite."""
    network.train()
    optimizer, scheduler, average = parts["optimizer"], parts["scheduler"], parts.get("average")
    seen: dict[str, list[float]] = {}
    taken = skipped = 0
    for group in grouped(enumerate(batches), plan.at_a_time):
        optimizer.zero_grad(set_to_none=True)
        terms = add_gradients(network, group, losses, plan, seed)
        norm = nn.utils.clip_grad_norm_(network.parameters(), plan.max_grad_norm)
        if torch.isfinite(norm) and all(math.isfinite(value) for row in terms for value in row.values()):
            optimizer.step()
            if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step()
            if average:
                average.step(network.parameters())
            taken += 1
            for name, value in ((name, value) for row in terms for name, value in row.items()):
                seen.setdefault(name, []).append(value)
        else:
            skipped += 1
        monitor.step(len(group), terms[-1], optimizer.param_groups[0]["lr"])
    means = {name: sum(values) / len(values) for name, values in seen.items()} or {"total_loss": math.nan}
    return {"step": taken, **means, "lr": optimizer.param_groups[0]["lr"], "skipped_steps": skipped}


def add_gradients(
    network: nn.Module, group: list[tuple[int, object]], losses: Losses, plan: Plan, seed: tuple[int, ...]
) -> list[Row]:
    """Add up the gradients of the mean loss of a group of numbered batches, over all processes.

    Returns the terms of each batch, `total_loss` first. The randomness of a batch depends on its number alone.
    """
    rows, together = {}, team()
    for number, batch in group[together.rank :: together.size]:
        seed_of_batch = stream(*seed, number)
        torch.manual_seed(seed_of_batch)  # dropout reads the global stream
        generator = torch.Generator().manual_seed(seed_of_batch)
        with torch.autocast(plan.device, torch.bfloat16, enabled=plan.mixed_precision == "bf16"):
            terms = losses(batch, generator)
            total = sum(terms.values())
        (total / len(group)).backward()
        rows[number] = {name: value.item() for name, value in {"total_loss": total, **terms}.items()}
    together.sum_gradients(network)
    return together.gather(rows)


def grouped(items: Iterable, size: int) -> Iterator[list]:
    """Lists of `size` items each; the last may be shorter."""
    waiting = iter(items)
    while group := list(islice(waiting, size)):
        yield group


@contextmanager
def averaged(network: nn.Module, average: EMAModel | None) -> Iterator[None]:
    """Lend the averaged weights, where there are any, to the network; its own come back at the end."""
    if average is None:
        yield
        return
    weights = list(network.parameters())
    average.store(weights)
    average.copy_to(weights)
    yield
    average.restore(weights)


def evaluated(network: nn.Module, validate: Callable[[], Row]) -> Row:
    """Scores of the network without dropout and gradients."""
    network.eval()
    with torch.no_grad():
        return validate()


def make_optimizer(network: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """AdamW, Adam or SGD; weight decay on matrices only; scalars (of the UniFrac head) learn ten times as fast."""
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in trained if weight.ndim >= 2], "weight_decay": plan.weight_decay},
        {"params": [weight for weight in trained if weight.ndim == 1], "weight_decay": 0.0},
        {"params": [weight for weight in trained if weight.ndim == 0], "weight_decay": 0.0, "lr": 10 * plan.lr},
    ]
    groups = [group for group in groups if group["params"]]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=plan.lr, momentum=0.9)
    return {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[plan.optimizer](groups, lr=plan.lr)


def make_scheduler(optimizer: torch.optim.Optimizer, plan: Plan):
    """Learning rate over the plan's steps; plateau halves it after validations without improvement."""
    if plan.scheduler == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=max(1, plan.patience // 3))
    if plan.scheduler == "onecycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=plan.steps + 1)
    warmup = (plan.warmup * plan.steps if plan.warmup < 1 else plan.warmup) * (plan.scheduler == "warmup_cosine")
    return get_scheduler("cosine", optimizer, num_warmup_steps=int(warmup), num_training_steps=plan.steps)


def rounds_of(steps: int, most: int) -> tuple[int, int]:
    """Rounds of equal length, `most` steps at most, that make `steps` together or hardly fewer, and batches of each."""
    rounds = -(-steps // most)
    return rounds, steps // rounds * team().size


def stream(*key: int) -> int:
    """Seed of an independent random stream named by integers."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def _judge(progress: Progress, row: Row, network: nn.Module, scores: Row) -> None:
    """Add a round to the history, and keep its weights where its score is the best or there is none."""
    score = scores.get("score", -math.inf)
    steps = progress.history[-1]["step"] if progress.history else 0
    if row["round"] <= 1 and (math.isnan(row.get("total_loss", 0.0)) or math.isnan(score)):
        raise InputError(
            f"training gives no number: after the first round the loss is {row.get('total_loss', math.nan)} and the "
            f"validation score {score}; lower the learning rate (lr), or set mixed_precision: none"
        )
    progress.history.append({**row, "step": steps + row["step"], **{f"val_{key}": v for key, v in scores.items()}})
    if not scores or score < progress.score:
        progress.best, progress.score, progress.waited = copy.deepcopy(network.state_dict()), score, 0
    else:
        progress.waited += 1


class _Saver:
    """Writes what an interrupted run goes on from, as often as it is cheap."""

    def __init__(self, place: Place, parts: dict) -> None:
        self.place, self.parts, self.after = place, parts, 0.0

    def save(self, progress: Progress) -> None:
        """Write the progress, unless the last writing was too short a time ago for what it took."""
        if self.place.resume is None or team().rank or (start := time.monotonic()) < self.after:
            return
        states = {name: part.state_dict() for name, part in self.parts.items()}
        checkpoint.save(InterruptedRun(progress, states, self.place.demands), self.place.resume)
        took = time.monotonic() - start
        self.after = start + took / WRITING


def _restore(place: Place, parts: dict) -> Progress:
    """Take up what an interrupted run has left. Raises InputError where its demands were others."""
    saved = checkpoint.load(place.resume, InterruptedRun, "only an interrupted run can be resumed")
    for name in sorted(saved.demands.keys() | place.demands.keys()):
        if saved.demands.get(name) != place.demands.get(name):
            raise InputError(
                f"{place.resume} is an interrupted run with {name}={saved.demands.get(name)}, this one has "
                f"{name}={place.demands.get(name)}: run the same command again, or remove the file to start anew"
            )
    for name, part in parts.items():
        part.load_state_dict(saved.states[name])
    if "average" in parts:
        parts["average"].to(next(parts["network"].parameters()).device)
    return saved.progress
