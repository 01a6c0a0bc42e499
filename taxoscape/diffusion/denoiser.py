"""The denoiser: noisy log-ratios, their time and the metadata tokens -> the predicted target.

Residual layers whose normalisation is shifted, scaled and gated by the time and by what the tokens say (adaptive
layer normalisation with a gate that starts at zero: Peebles and Xie 2023, arXiv:2212.09748).
"""

import math

import torch
from torch import nn
from torch.nn import functional

from taxoscape.diffusion.check import HEADS
from taxoscape.learning.conditions import ConditionTokens

# Highest frequency of the time features, in radians over the whole schedule.
HIGHEST = 1000.0


def time_features(time: torch.Tensor, width: int) -> torch.Tensor:
    """Cosines and sines [B, width] of times [B] in 0-1, frequencies from 1 to HIGHEST in geometric steps."""
    frequencies = torch.exp(torch.linspace(0, math.log(HIGHEST), width // 2, device=time.device))
    angles = time[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class Attention(nn.Module):
    """Cross-attention: queries [B, Q, W], tokens [B, S, W] -> what they say [B, Q, W].

    Heads are split before the softmax; tokens that are not `present` [B, S] get no attention (None: all are).
    """

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, query: torch.Tensor, tokens: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        whole = self.query(query), self.key(tokens), self.value(tokens)
        split = (tensor.unflatten(-1, (HEADS, -1)).transpose(1, 2) for tensor in whole)  # each [B, heads, ., W / heads]
        mask = None if present is None else present[:, None, None, :]
        said = functional.scaled_dot_product_attention(*split, attn_mask=mask)  # [B, heads, Q, W / heads]
        return self.out(said.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Residual layer [B, W] -> [B, W], modulated by a context [B, W]."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 3 * width)
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, hidden: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        shift, scale, gate = self.modulation(context).chunk(3, dim=-1)
        inner = self.norm(hidden) * (1 + scale) + shift
        return hidden + gate * self.second(self.dropout(functional.silu(self.first(inner))))


class Denoiser(nn.Module):
    """(noisy [B, D], signal a [B], noise s [B], values [B, F], missing [B, F]) -> target [B, D].

    The time is the angle atan2(s, a) / (pi / 2): 0 = data, 1 = noise, whatever the schedule.
    """

    def __init__(self, taxa: int, categories: list[int], width: int, blocks: int, dropout: float):
        super().__init__()
        self.width = width
        self.tokens = ConditionTokens(categories, width)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.enter = nn.Linear(taxa, width)
        self.attention = Attention(width)
        self.layers = nn.ModuleList(Layer(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, taxa)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        noisy: torch.Tensor,
        signal: torch.Tensor,
        noise: torch.Tensor,
        values: torch.Tensor,
        missing: torch.Tensor,
    ) -> torch.Tensor:
        time = self.time(time_features(torch.atan2(noise, signal) / (math.pi / 2), self.width))
        hidden = self.enter(noisy)
        said = self.attention((hidden + time)[:, None], self.tokens(values, missing))[:, 0]
        context = functional.silu(time + said)
        for layer in self.layers:
            hidden = layer(hidden, context)
        return self.leave(self.norm(hidden))
