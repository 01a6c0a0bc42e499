"""The training loop: batch, loss, step, validation; the best model is kept, an interrupted run goes on where it was."""

import copy
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from taxoscape.aam import checkpoint
from taxoscape.aam.options import Options


def fit(
    model: nn.Module,
    batches: Callable[[int], Sequence],
    losses: Callable[[object, torch.Generator], dict[str, torch.Tensor]],
    validate: Callable[[], dict[str, float]] | None,
    *,
    options: Options,
    epochs: int,
    steps: int,
    seed: tuple[int, ...],
    store: Path | None = None,
) -> list[dict[str, float]]:
    """Train `model` in place and return what happened, one dict per epoch; the best epoch's weights stay.

    `batches(epoch)` gives the `steps` batches of an epoch, `losses(batch, generator)` the terms whose sum is
    minimised, `validate()` scores of which "score" is to be low (None: the last epoch stays). All randomness comes
    from (seed, epoch), so a run resumed from `store` equals one that was never interrupted.
    """
    optimizer = make_optimizer(model, options)
    scheduler = make_scheduler(optimizer, options, epochs * steps)
    state = {"epoch": 0, "waited": 0, "score": math.inf, "history": [], "best": copy.deepcopy(model.state_dict())}
    if store is not None and store.is_file():
        state = _restore(store, model, optimizer, scheduler)
    while state["epoch"] < epochs and state["waited"] < options.patience:
        number = stream(*seed, state["epoch"])
        generator = torch.Generator().manual_seed(number)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)  # dropout reads the global stream
            row = train_epoch(model, batches(state["epoch"]), losses, optimizer, scheduler, options, generator)
        scores = evaluated(model, validate) if validate else {}
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(scores.get("score", row["total_loss"]))
        state["epoch"] += 1
        state["history"].append({"epoch": state["epoch"], **row, **{f"val_{key}": v for key, v in scores.items()}})
        if not validate or scores["score"] < state["score"]:
            state |= {"waited": 0, "score": scores.get("score", math.inf), "best": copy.deepcopy(model.state_dict())}
        else:
            state["waited"] += 1
        if store is not None:
            parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
            checkpoint.save({**state, **{name: part.state_dict() for name, part in parts.items()}}, store)
    model.load_state_dict(state["best"])
    model.eval()
    return state["history"]


def train_epoch(model, batches, losses, optimizer, scheduler, options: Options, generator) -> dict[str, float]:
    """Take one step per batch; the mean of each loss, the learning rate and the steps skipped as not finite."""
    model.train()
    sums: dict[str, float] = {}
    skipped = count = 0
    for batch in batches:
        terms = losses(batch, generator)
        total = sum(terms.values())
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), options.max_grad_norm)
        if torch.isfinite(norm) and torch.isfinite(total):
            optimizer.step()
            if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step()
            count += 1
            for name, value in {"total_loss": total, **terms}.items():
                sums[name] = sums.get(name, 0.0) + value.item()
        else:
            skipped += 1
    means = {name: value / max(1, count) for name, value in sums.items()} or {"total_loss": math.nan}
    return {**means, "lr": optimizer.param_groups[0]["lr"], "skipped_steps": skipped}


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
    warmup = options.warmup * steps if options.scheduler == "warmup_cosine" else 0.0
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_factor(step, steps, warmup))


def cosine_factor(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate: linear to 1 over `warmup` steps, then a half cosine to 0 at `steps`."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, steps - warmup))))


def stream(*key: int) -> int:
    """Seed of an independent random stream named by integers."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def _restore(store: Path, model: nn.Module, optimizer: torch.optim.Optimizer, scheduler) -> dict:
    saved = checkpoint.load(store)
    for name, part in (("model", model), ("optimizer", optimizer), ("scheduler", scheduler)):
        part.load_state_dict(saved.pop(name))
    saved.pop("version")
    return saved


def settle(threads: int) -> None:
    """Fix the number of CPU threads of torch, and ask it for algorithms that give the same bytes each time."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)


def lines(histories: list[list[dict[str, float]]]) -> str:
    """Histories as JSON lines, one an epoch, with the number of the model they belong to."""
    rows = [{"member": member, **row} for member, history in enumerate(histories) for row in history]
    return "".join(json.dumps(row) + "\n" for row in rows)
