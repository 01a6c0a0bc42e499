"""Layers that networks are made of: one attention, one residual block, the features of a noise level.

Symbols: B samples, Q queries, S keys, W width.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from taxoscape.learning import HEADS

HIGHEST = 1000.0  # frequency of the time features, in radians over the whole schedule


class Attention(nn.Module):
    """Multi-head attention softmax(Q K' / sqrt(W / heads)) V of queries [B, Q, W] to keys [B, S, W] -> [B, Q, W].

    Keys that are not `present` [B, S] get no attention (None: all are present).
    """

    def __init__(self, width: int, heads: int = HEADS) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mixed = nn.Linear(width, width)

    def forward(self, query: torch.Tensor, keys: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        whole = self.query(query), *self.key_value(keys).chunk(2, dim=-1)
        split = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in whole
        )  # each [B, heads, ., W / heads]
        mask = None if present is None else present[:, None, None, :]
        mixed = functional.scaled_dot_product_attention(*split, attn_mask=mask)  # [B, heads, Q, W / heads]
        return self.mixed(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm residual block: self-attention where there are `heads`, then a network of one hidden layer.

    With `modulated`, each of the two is shifted, scaled and gated by a context, with gates that start at zero (adaptive
    layer normalisation: Peebles and Xie 2023, arXiv:2212.09748). `widening`: hidden units per unit of width.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, modulated: bool = False, widening: int = 2) -> None:
        super().__init__()
        hidden = nn.Sequential(nn.Linear(width, widening * width), nn.GELU(), nn.Linear(widening * width, width))
        self.parts = nn.ModuleList([*([Attention(width, heads)] if heads else []), hidden])
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=not modulated) for _ in self.parts)
        self.modulation = zero_(nn.Linear(width, 3 * len(self.parts) * width)) if modulated else None
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, present: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Transform x [B, S, W] (or [B, W] without attention); the context is broadcast to x."""
        numbers = [(0.0, 0.0, 1.0)] * len(self.parts)  # shift, scale, gate
        if self.modulation is not None:
            chunks = self.modulation(context).chunk(3 * len(self.parts), dim=-1)
            numbers = [chunks[start : start + 3] for start in range(0, len(chunks), 3)]
        for part, norm, (shift, scale, gate) in zip(self.parts, self.norms, numbers, strict=True):
            inner = norm(x) * (1 + scale) + shift
            inner = part(inner, inner, present) if isinstance(part, Attention) else part(inner)
            x = x + gate * self.dropout(inner)
        return x


class TimeEmbedding(nn.Module):
    """Signal a [...] and noise s [...] -> embedding [..., W] of the angle atan2(s, a) / (pi / 2).

    The angle is 0 for data and 1 for noise, whatever the schedule.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, signal: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return self.layers(time_features(angle(signal, noise), self.width))


def angle(signal: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Noise level as an angle: 0 = data, 1 = noise."""
    return torch.atan2(noise, signal) / (math.pi / 2)


def time_features(time: torch.Tensor, width: int) -> torch.Tensor:
    """Cosines and sines [..., width] of times [...] in 0-1, frequencies from 1 to HIGHEST in geometric steps."""
    frequencies = torch.exp(torch.linspace(0, math.log(HIGHEST), width // 2, device=time.device))
    angles = time[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def zero_(linear: nn.Module) -> nn.Module:
    """Set the weights of a layer to zero: a network that ends with it begins as if it were not there."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def standard_abundance(abundance: torch.Tensor) -> torch.Tensor:
    """Bring log shares, from about -8 (1/depth) to 0, to about -1.5 to 1.5."""
    return (abundance + 5.0) / 2.5
