"""The training loop: batch, loss, step, validation; the best model is kept, an interrupted run goes on where it was."""

import copy
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from taxoscape.aam.options import Options
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint, device


@dataclass(frozen=True)
class Team:
    """Processes that train one model together: each takes a share of the batches of a step, gradients are added up.

    A step of W processes that accumulate A batches each is one of a single process that accumulates W A batches.
    """

    rank: int = 0
    size: int = 1
    fabric: object = None  # lightning.fabric.Fabric where there are several

    def add(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum of a tensor over the processes."""
        return self.fabric.all_reduce(tensor, reduce_op="sum")

    def add_gradients(self, model: nn.Module) -> None:
        """Sum of the gradients over the processes, in place; what none has stays without."""
        if not self.fabric:
            return
        weights = list(model.parameters())
        held = self.add(torch.tensor([float(weight.grad is not None) for weight in weights]))
        weights = [weight for weight, number in zip(weights, held, strict=True) if number]
        for weight in weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        total = self.add(torch.cat([weight.grad.flatten() for weight in weights]))
        for weight, part in zip(weights, total.split([weight.numel() for weight in weights]), strict=True):
            weight.grad.copy_(part.view_as(weight))

    def gather(self, rows: dict[int, dict[str, float]]) -> list[dict[str, float]]:
        """Rows of all processes, ordered by their number."""
        every = [rows]
        if self.fabric:
            every = [{}] * self.size
            torch.distributed.all_gather_object(every, rows)
        joined = {number: row for part in every for number, row in part.items()}
        return [joined[number] for number in sorted(joined)]


@cache
def team(kind: str) -> Team:
    """The processes that torchrun has started, joined by Lightning Fabric; one alone where it has not."""
    size, local = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if size == 1:
        return Team()
    from lightning.fabric import Fabric  # seconds to load: only where it is used

    fabric = Fabric(accelerator=kind, devices=local, num_nodes=size // local, strategy="ddp")
    fabric.launch()
    return Team(fabric.global_rank, fabric.world_size, fabric)


class Watch(Protocol):
    """Who looks on while a model is trained."""

    def start(self, history: list[dict[str, float]], epochs: int, steps: int) -> None:
        """Training begins, or goes on after `history`."""

    def step(self, batches: int, terms: dict[str, float], rate: float) -> None:
        """An optimizer step of so many batches, the last one's losses, the learning rate."""

    def epoch(self, history: list[dict[str, float]], model: nn.Module) -> None:
        """An epoch has ended, its row the last of the history; the last step's gradients are still there."""


@dataclass(frozen=True)
class Store:
    """Where an interrupted run is kept, and what was asked of it: only a run of the same demands goes on."""

    path: Path
    asked: dict[str, object] = field(default_factory=dict)  # name of a demand -> plain value


def fit(
    model: nn.Module,
    batches: Callable[[int], Iterable],
    losses: Callable[[object, torch.Generator], dict[str, torch.Tensor]],
    validate: Callable[[], dict[str, float]] | None,
    *,
    options: Options,
    epochs: int,
    steps: int,
    seed: tuple[int, ...],
    store: Store | None = None,
    watch: Watch | None = None,
) -> list[dict[str, float]]:
    """Train `model` in place and return what happened, one dict per epoch; the best epoch's weights stay.

    `batches(epoch)` gives the `steps` batches of an epoch, `losses(batch, generator)` the terms whose sum is
    minimised, `validate()` scores of which "score" is to be low (None: the last epoch stays). With options.ema the
    averaged weights are validated and kept. All randomness comes from (seed, epoch, batch), so a run resumed from
    `store` equals one that was never interrupted, and one of several processes (`team`) one of a single process.
    """
    optimizer = make_optimizer(model, options)
    at_a_time = options.gradient_accumulation_steps * team(options.device).size
    scheduler = make_scheduler(optimizer, options, epochs * -(-steps // at_a_time))
    average = Average(model, options.ema) if options.ema else None
    state = {"epoch": 0, "waited": 0, "score": math.inf, "history": [], "best": copy.deepcopy(model.state_dict())}
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler} | ({"average": average} if average else {})
    if store is not None and store.path.is_file():
        state = _restore(store, parts)
    if watch:
        watch.start(state["history"], epochs, steps)
    while state["epoch"] < epochs and state["waited"] < options.patience:
        with torch.random.fork_rng(devices=[]):
            row = train_epoch(model, batches(state["epoch"]), losses, parts, options, (*seed, state["epoch"]), watch)
        with average.in_place_of(model) if average else nullcontext():
            scores = evaluated(model, validate) if validate else {}
            kept = copy.deepcopy(model.state_dict())
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(scores.get("score", row["total_loss"]))
        state["epoch"] += 1
        state["history"].append({"epoch": state["epoch"], **row, **{f"val_{key}": v for key, v in scores.items()}})
        if not validate or scores["score"] < state["score"]:
            state |= {"waited": 0, "score": scores.get("score", math.inf), "best": kept}
        else:
            state["waited"] += 1
        if watch:
            watch.epoch(state["history"], model)
        if store is not None and team(options.device).rank == 0:
            saved = {name: part.state_dict() for name, part in parts.items()}
            checkpoint.save({**state, **saved, "asked": store.asked}, store.path)
    model.load_state_dict(state["best"])
    model.eval()
    return state["history"]


def train_epoch(
    model: nn.Module,
    batches: Iterable,
    losses: Callable,
    parts: dict,
    options: Options,
    seed: tuple[int, ...],
    watch: Watch | None = None,
) -> dict[str, float]:
    """Take a step per group of batches; the mean of each loss, the learning rate and the steps skipped as not finite.

    `parts` are the optimizer, the scheduler and, where there is one, the average of the weights.
    """
    model.train()
    optimizer, scheduler, together = parts["optimizer"], parts["scheduler"], team(options.device)
    seen: dict[str, list[float]] = {}
    skipped = 0
    for group in grouped(enumerate(batches), options.gradient_accumulation_steps * together.size):
        optimizer.zero_grad(set_to_none=True)
        terms = add_gradients(model, group, losses, options, seed, together)
        norm = nn.utils.clip_grad_norm_(model.parameters(), options.max_grad_norm)
        if torch.isfinite(norm) and all(math.isfinite(value) for row in terms for value in row.values()):
            optimizer.step()
            if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step()
            if "average" in parts:
                parts["average"].follow(model)
            for name, value in ((name, value) for row in terms for name, value in row.items()):
                seen.setdefault(name, []).append(value)
        else:
            skipped += 1
        if watch:
            watch.step(len(group), terms[-1], optimizer.param_groups[0]["lr"])
    means = {name: sum(values) / len(values) for name, values in seen.items()} or {"total_loss": math.nan}
    return {**means, "lr": optimizer.param_groups[0]["lr"], "skipped_steps": skipped}


def add_gradients(
    model: nn.Module,
    group: list[tuple[int, object]],
    losses: Callable,
    options: Options,
    seed: tuple[int, ...],
    together: Team,
) -> list[dict[str, float]]:
    """Add up the gradients of the mean loss of a group of numbered batches, over all processes.

    Returns the terms of each batch, `total_loss` first. A batch's randomness hangs on its number alone.
    """
    rows = {}
    for number, batch in group[together.rank :: together.size]:
        stream_of_batch = stream(*seed, number)
        torch.manual_seed(stream_of_batch)  # dropout reads the global stream
        generator = torch.Generator().manual_seed(stream_of_batch)
        with torch.autocast(options.device, torch.bfloat16, enabled=options.mixed_precision == "bf16"):
            terms = losses(batch, generator)
            total = sum(terms.values())
        (total / len(group)).backward()
        rows[number] = {name: value.item() for name, value in {"total_loss": total, **terms}.items()}
    together.add_gradients(model)
    return together.gather(rows)


def grouped(items: Iterable, size: int) -> Iterator[list]:
    """Lists of `size` items each; the last may be shorter."""
    waiting = iter(items)
    while group := list(islice(waiting, size)):
        yield group


class Average:
    """Exponential moving average of a model's weights; early on it forgets faster, decay = (1 + t) / (10 + t)."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Move towards the model's weights."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """Lend the average to the model; its own weights come back at the end."""
        own = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.weights)
        yield
        model.load_state_dict(own)

    def state_dict(self) -> dict:
        """State as plain values and tensors."""
        return {"steps": self.steps, "weights": self.weights}

    def load_state_dict(self, state: dict) -> None:
        """Take up a saved state."""
        self.steps, self.weights = state["steps"], state["weights"]


def evaluated(model: nn.Module, validate: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Scores of the model without dropout and gradients."""
    model.eval()
    with torch.no_grad():
        return validate()


def make_optimizer(model: nn.Module, options: Options) -> torch.optim.Optimizer:
    """AdamW, Adam or SGD; weight decay on matrices only; scalars (of the UniFrac head) learn ten times as fast."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": options.weight_decay},
        {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0},
        {"params": [p for p in trained if p.ndim == 0], "weight_decay": 0.0, "lr": 10 * options.lr},
    ]
    groups = [group for group in groups if group["params"]]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.lr, momentum=0.9)
    return {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[options.optimizer](groups, lr=options.lr)


def make_scheduler(optimizer: torch.optim.Optimizer, options: Options, steps: int):
    """Learning rate over `steps` optimizer steps; plateau halves it after validations without improvement."""
    if options.scheduler == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=max(1, options.patience // 3))
    if options.scheduler == "onecycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=steps + 1)
    warmup = (options.warmup * steps if options.warmup < 1 else options.warmup) * (options.scheduler == "warmup_cosine")
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_factor(step, steps, warmup))


def cosine_factor(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate: linear to 1 over `warmup` steps, then a half cosine to 0 at `steps`."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, steps - warmup))))


def stream(*key: int) -> int:
    """Seed of an independent random stream named by integers."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def _restore(store: Store, parts: dict) -> dict:
    saved = checkpoint.load(store.path)
    asked = saved.pop("asked", None)
    if asked is None:
        raise InputError(f"{store.path} is a finished model, not an interrupted run: it cannot be resumed")
    for name in sorted(asked.keys() | store.asked.keys()):
        if asked.get(name) != store.asked.get(name):
            raise InputError(
                f"{store.path} is an interrupted run with {name}={asked.get(name)}, this one has "
                f"{name}={store.asked.get(name)}: run the same command again, or remove the file to start anew"
            )
    for name, part in parts.items():
        part.load_state_dict(saved.pop(name))
    saved.pop("version")
    return saved


def settle(options: Options) -> None:
    """Settle threads and device (taxoscape.learning.device). Raises InputError where the device is not there."""
    device.settle(options.device, options.threads, "device")
    if team(options.device).size > 1 and options.stripe_mode:
        raise InputError("stripe_mode keeps one memory bank and trains in one process: use --no-stripe-mode")


def lines(histories: list[list[dict[str, float]]]) -> str:
    """Histories as JSON lines, one an epoch, with the number of the model they belong to; no number is null."""
    rows = [{"member": member, **row} for member, history in enumerate(histories) for row in history]
    plain = [{name: value if math.isfinite(value) else None for name, value in row.items()} for row in rows]
    return "".join(json.dumps(row) + "\n" for row in plain)
