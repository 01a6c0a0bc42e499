"""Further terms of the loss, on the log-ratios that the network means: centred ones, and relatives alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from taxoscape import trees
from taxoscape.learning.dequantise import Scaler

# Relatives of each taxon; patristic distance (substitutions/site) at which closeness has fallen to 1 / e.
RELATIVES, REACH = 4, 0.1
NOBODY = np.zeros((2, 0), dtype=np.int64), np.zeros(0)
# Signal-to-noise ratio from which on the terms count in full.
CLEAR = 5.0


@dataclass(frozen=True)
class Terms:
    """Weights of the terms, the scale of the log-ratios, and which taxa are relatives."""

    compositional: float
    phylogenetic: float
    mean: torch.Tensor  # [D] of the training log-ratios
    std: torch.Tensor  # [D]
    pairs: torch.Tensor  # [2, E] taxa
    closeness: torch.Tensor  # [E] sums to 1

    def to(self, device: str) -> "Terms":
        """The terms with their tensors on a device."""
        tensors = {name: getattr(self, name).to(device) for name in ("mean", "std", "pairs", "closeness")}
        return replace(self, **tensors)

    def __call__(self, clean: torch.Tensor, signal: torch.Tensor, noise: torch.Tensor) -> dict[str, torch.Tensor]:
        """Weighted terms of the loss, of estimates of x_0 [B, D], standardised, at signal and noise [B].

        Compositional: |mean of the log-ratios|, which of centred ones is 0. Phylogenetic: mean difference |x_i - x_j|
        of relatives, weighted by closeness. Each sample counts with min(SNR, CLEAR) / CLEAR: of noise nothing is known.
        """
        logratios = clean * self.std + self.mean
        off = logratios.mean(dim=1).abs()
        apart = (logratios[:, self.pairs[0]] - logratios[:, self.pairs[1]]).abs() @ self.closeness
        known = (signal**2 / noise**2).clamp(max=CLEAR) / CLEAR
        return {
            "compositional_loss": self.compositional * (known * off).mean(),
            "phylogenetic_loss": self.phylogenetic * (known * apart).mean(),
        }


def make_terms(weights: tuple[float, float], scaler: Scaler, relatives: tuple[np.ndarray, np.ndarray]) -> Terms:
    """Terms of these weights (compositional, phylogenetic)."""
    pairs, closeness = relatives
    own = (torch.tensor(values).float() for values in (scaler.mean, scaler.std))
    return Terms(*weights, *own, torch.tensor(pairs), torch.tensor(closeness).float())


def read_relatives(tree: str | Path, taxa: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The nearest RELATIVES of each taxon that the tree has: pairs [2, E] of places in `taxa`, closeness [E].

    Closeness exp(-d / REACH) of patristic distance d, divided by its sum.
    """
    arrays, place = trees.tree_arrays(trees.read_tree(tree)), {name: number for number, name in enumerate(taxa)}
    tips = np.array([number for number, name in enumerate(arrays.tips) if name in place], dtype=np.int64)
    there = np.array([place[arrays.tips[tip]] for tip in tips], dtype=np.int64)
    if len(there) < 2:
        return NOBODY
    apart = trees.patristic_distances(arrays, tips)
    np.fill_diagonal(apart, np.inf)
    number = min(RELATIVES, len(there) - 1)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :number]
    closeness = np.exp(-np.take_along_axis(apart, nearest, axis=1) / REACH).ravel()
    pairs = np.stack([np.repeat(there, number), there[nearest].ravel()])
    return pairs, closeness / max(closeness.sum(), np.finfo(float).tiny)
