"""The denoiser over taxon tokens: every taxon hears every other and the metadata, and says its own part of the target.

One token a taxon, of what is known of it (hyperbolic coordinates, channels, lineage), a learned part, and its noisy
log-ratio; one token a metadata field. Weights are shared by all taxa, so that there are few of them and few samples
teach them. Layers are modulated by the noise level (adaptive layer normalisation: Peebles and Xie 2023,
arXiv:2212.09748).
"""

import math

import torch
from torch import nn
from torch.nn import functional

from taxoscape.diffusion.check import HEADS
from taxoscape.diffusion.denoiser import time_features
from taxoscape.learning.conditions import ConditionTokens

# Standard deviation of the learned part of taxa at the start.
START = 0.1


class TokenLayer(nn.Module):
    """Self-attention and a small network, tokens [B, S, W] -> [B, S, W], modulated and gated by a context [B, W]."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.modulation = nn.Linear(width, 6 * width)
        self.query_key_value, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, tokens: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        parts = self.modulation(context)[:, None].chunk(6, dim=-1)
        tokens = tokens + parts[2] * self.attend(self.norms[0](tokens) * (1 + parts[1]) + parts[0])
        inner = self.norms[1](tokens) * (1 + parts[4]) + parts[3]
        return tokens + parts[5] * self.second(self.dropout(functional.silu(self.first(inner))))

    def attend(self, tokens: torch.Tensor) -> torch.Tensor:
        """Multi-head self-attention [B, S, W] -> [B, S, W]."""
        query, key, value = self.query_key_value(tokens).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        return self.mixed(functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class TokenDenoiser(nn.Module):
    """(noisy [B, D], signal a [B], noise s [B], values [B, F], missing [B, F]) -> target [B, D].

    `features` [D, P] is what is known of the taxa, standardised. The time is the angle atan2(s, a) / (pi / 2).
    """

    def __init__(self, features: torch.Tensor, categories: list[int], width: int, blocks: int, dropout: float):
        super().__init__()
        self.register_buffer("features", features)
        self.width = width
        self.tokens = ConditionTokens(categories, width)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.known = nn.Linear(features.shape[1], width)
        self.own = nn.Parameter(START * torch.randn(len(features), width))
        self.enter = nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, 2 * width))
        self.layers = nn.ModuleList(TokenLayer(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave, self.through = nn.Linear(width, 1), nn.Linear(width, 1)
        for linear in (self.leave, self.through):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        noisy: torch.Tensor,
        signal: torch.Tensor,
        noise: torch.Tensor,
        values: torch.Tensor,
        missing: torch.Tensor,
    ) -> torch.Tensor:
        context = functional.silu(self.time(time_features(torch.atan2(noise, signal) / (math.pi / 2), self.width)))
        scale, shift = self.enter(noisy[..., None]).chunk(2, dim=-1)
        taxa = (self.known(self.features) + self.own) * (1 + scale) + shift  # [B, D, W]
        tokens = torch.cat([self.tokens(values, missing), taxa], dim=1)
        for layer in self.layers:
            tokens = layer(tokens, context)
        said = self.norm(tokens[:, -noisy.shape[1] :])
        return self.leave(said)[..., 0] + self.through(context) * noisy
