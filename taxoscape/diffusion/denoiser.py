"""The denoiser over vectors: noisy log-ratios, their time and the metadata tokens -> the predicted target."""

import torch
from torch import nn
from torch.nn import functional

from taxoscape.learning.conditions import ConditionTokens
from taxoscape.learning.layers import Attention, Block, TimeEmbedding, zero_


class Denoiser(nn.Module):
    """(noisy [B, D], signal a [B], noise s [B], values [B, F], missing [B, F]) -> target [B, D]."""

    def __init__(self, taxa: int, categories: list[int], width: int, blocks: int, dropout: float):
        super().__init__()
        self.tokens, self.time = ConditionTokens(categories, width), TimeEmbedding(width)
        self.enter, self.attention = nn.Linear(taxa, width), Attention(width)
        self.layers = nn.ModuleList(Block(width, 0, dropout, modulated=True) for _ in range(blocks))
        self.norm, self.leave = nn.LayerNorm(width), zero_(nn.Linear(width, taxa))

    def forward(
        self,
        noisy: torch.Tensor,
        signal: torch.Tensor,
        noise: torch.Tensor,
        values: torch.Tensor,
        missing: torch.Tensor,
    ) -> torch.Tensor:
        time, hidden = self.time(signal, noise), self.enter(noisy)
        attended = self.attention((hidden + time)[:, None], self.tokens(values, missing))[:, 0]
        context = functional.silu(time + attended)
        for layer in self.layers:
            hidden = layer(hidden, context=context)
        return self.leave(self.norm(hidden))
