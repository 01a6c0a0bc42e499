"""A host variable on the scale on which it is learned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Target:
    """A host variable: numbers, standardised with the training samples' mean and std, or categories."""

    name: str
    categories: tuple[str, ...]  # empty for regression
    mean: float
    std: float
    quantiles: tuple[float, ...] = ()  # learned in place of the centre, ascending, 0.5 among them

    @property
    def outputs(self) -> int:
        """Outputs of the head: one number, one per quantile, or one logit per category."""
        return len(self.categories) or len(self.quantiles) or 1

    @property
    def centre(self) -> int:
        """Place of the prediction among the outputs of a regression."""
        return self.quantiles.index(0.5) if self.quantiles else 0

    def encode(self, values: np.ndarray) -> torch.Tensor:
        """Standardised numbers [n] float32, or category indices [n] int64 (-1 where missing); NaN where missing."""
        if self.categories:
            index = {name: place for place, name in enumerate(self.categories)}
            return torch.tensor([index.get(value, -1) for value in values])
        return torch.from_numpy(((values.astype(float) - self.mean) / self.std).astype(np.float32))


def fit_target(name: str, values: np.ndarray, categories: list[str] | None, quantiles: Sequence[float] = ()) -> Target:
    """Fix the scale of a target by its known training values [n]."""
    if categories is not None:
        return Target(name, tuple(categories), 0.0, 1.0)
    numbers = values.astype(float)
    return Target(name, (), float(numbers.mean()), float(numbers.std()) or 1.0, tuple(sorted(quantiles)))
