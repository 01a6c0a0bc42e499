"""The denoiser over taxon tokens: every taxon attends to all others and to the metadata, and gives its own target.

One token per taxon, of what is known of it (hyperbolic coordinates, channels, lineage), a learned part, and its noisy
log-ratio; one token per metadata field. Weights are shared by all taxa, so that there are few of them and few samples
teach them. Layers are modulated by the noise level (adaptive layer normalisation: Peebles and Xie 2023,
arXiv:2212.09748).
"""

import torch
from torch import nn
from torch.nn import functional

from taxoscape.learning import HEADS
from taxoscape.learning.conditions import ConditionTokens
from taxoscape.learning.layers import Block, TimeEmbedding, zero_

# Standard deviation of the learned part of taxa at the start.
START = 0.1


class TokenDenoiser(nn.Module):
    """(noisy [B, D], signal a [B], noise s [B], values [B, F], missing [B, F]) -> target [B, D].

    `features` [D, P] is what is known of the taxa, standardised.
    """

    def __init__(self, features: torch.Tensor, categories: list[int], width: int, blocks: int, dropout: float):
        super().__init__()
        self.register_buffer("features", features)
        self.tokens, self.time = ConditionTokens(categories, width), TimeEmbedding(width)
        self.known = nn.Linear(features.shape[1], width)
        self.own = nn.Parameter(START * torch.randn(len(features), width))
        self.enter = nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, 2 * width))
        self.layers = nn.ModuleList(Block(width, HEADS, dropout, modulated=True) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave, self.through = zero_(nn.Linear(width, 1)), zero_(nn.Linear(width, 1))

    def forward(
        self,
        noisy: torch.Tensor,
        signal: torch.Tensor,
        noise: torch.Tensor,
        values: torch.Tensor,
        missing: torch.Tensor,
    ) -> torch.Tensor:
        context = functional.silu(self.time(signal, noise))
        scale, shift = self.enter(noisy[..., None]).chunk(2, dim=-1)
        taxa = (self.known(self.features) + self.own) * (1 + scale) + shift  # [B, D, W]
        tokens = torch.cat([self.tokens(values, missing), taxa], dim=1)
        for layer in self.layers:
            tokens = layer(tokens, context=context[:, None])
        of_taxa = self.norm(tokens[:, -noisy.shape[1] :])
        return self.leave(of_taxa)[..., 0] + self.through(context) * noisy
