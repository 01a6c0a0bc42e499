"""Processes that train one model together, on one machine or several, as torchrun starts them.

A step of W processes that accumulate A batches each is one of a single process that accumulates W A batches.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Team:
    """The processes of a training; each takes a share of the batches of a step, and gradients are summed."""

    rank: int = 0
    size: int = 1

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum a tensor over the processes, in place."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def sum_gradients(self, network: nn.Module) -> None:
        """Sum the gradients over the processes, in place; a weight without one in any process stays without."""
        if self.size == 1:
            return
        weights = list(network.parameters())
        device = weights[0].device
        used = self.sum(torch.tensor([float(weight.grad is not None) for weight in weights], device=device))
        weights = [weight for weight, number in zip(weights, used.tolist(), strict=True) if number]
        for weight in weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        total = self.sum(torch.cat([weight.grad.flatten() for weight in weights]))
        for weight, part in zip(weights, total.split([weight.numel() for weight in weights]), strict=True):
            weight.grad.copy_(part.view_as(weight))

    def gather(self, rows: dict[int, dict[str, float]]) -> list[dict[str, float]]:
        """Rows of all processes, ordered by their number."""
        every = [rows]
        if self.size > 1:
            every = [{}] * self.size
            distributed.all_gather_object(every, rows)
        joined = {number: row for part in every for number, row in part.items()}
        return [joined[number] for number in sorted(joined)]


@contextmanager
def together(number: int) -> Iterator[None]:
    """Train in `number` processes: have torchrun run this very script in as many, and end with them.

    In the processes that torchrun has started the block is trained in; all but the first end with it.
    """
    if number > 1 and "RANK" not in os.environ:
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(number)]
        command = [sys.executable, *torchrun, sys.argv[0]]
        sys.exit(subprocess.run(command, stdout=sys.stdout, stderr=sys.stderr, check=False).returncode)
    yield
    if team().rank:
        sys.exit()


@cache
def team() -> Team:
    """The processes that torchrun has started; a single one where it has not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Team()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    return Team(distributed.get_rank(), size)
