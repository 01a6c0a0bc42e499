"""The network: a noisy deviation from the anchor, its time, the earlier samples and the fields -> the target.

All taxa share their weights: each is a token of its own noisy value, of what the anchor says of it and of the
subject's earlier samples, read as a set (attention over samples, taxon by taxon, so that their order says nothing
and any number of them will do). Taxa hear of each other through their mean. Layers are modulated by the noise level,
the days ahead and the metadata tokens (adaptive layer normalisation: Peebles and Xie 2023, arXiv:2212.09748). The
output starts at zero: with v-prediction that is the anchor with Gaussian scatter, which training can only improve on.

B = forecasts, H = earlier samples, D = taxa, W = width.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.nn import functional

from taxoscape.learning import HEADS
from taxoscape.learning.conditions import ConditionTokens
from taxoscape.learning.layers import Attention, Block, TimeEmbedding, zero_

# Numbers per taxon that the anchor gives: its forecast, the population's, the forecast share and the last value.
ANCHORED = 4
# Numbers per earlier sample and taxon: deviation from the population, root share, how long ago.
PER_SAMPLE = 3
# Numbers per forecast: how far ahead, variance of the anchor, how many earlier samples.
PER_FORECAST = 3
# Width of the tokens of earlier samples, of which there are H D in a forecast: they cost more than all the rest.
NARROW = 8


@dataclass(frozen=True)
class Context:
    """What a forecast is conditioned on, all standardised."""

    history: torch.Tensor  # [B, H, D, PER_SAMPLE]
    present: torch.Tensor  # [B, H] False where padded
    anchored: torch.Tensor  # [B, D, ANCHORED]
    numbers: torch.Tensor  # [B, PER_FORECAST]
    fields: torch.Tensor  # [B, F]
    missing: torch.Tensor  # [B, F]

    def take(self, rows: torch.Tensor | slice) -> "Context":
        """The forecasts at these rows."""
        return Context(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to(self, device: torch.device) -> "Context":
        """The context on a device."""
        return Context(*(getattr(self, field.name).to(device) for field in fields(self)))


class History(nn.Module):
    """Set attention over earlier samples, taxon by taxon: history [B, H, D, 3], present [B, H] -> [B, D, W]."""

    def __init__(self, width: int):
        super().__init__()
        self.token = nn.Sequential(nn.Linear(PER_SAMPLE, NARROW), nn.SiLU(), nn.Linear(NARROW, NARROW))
        self.score, self.leave = nn.Linear(NARROW, HEADS), nn.Linear(NARROW, width)

    def forward(self, history: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        tokens = self.token(history)  # [B, H, D, NARROW]
        scores = self.score(tokens).masked_fill(~present[:, :, None, None], -math.inf)  # [B, H, D, heads]
        mixed = (scores.softmax(dim=1)[..., None] * tokens.unflatten(-1, (HEADS, -1))).sum(dim=1)
        return self.leave(mixed.flatten(-2))


class Encoded(nn.Module):
    """What does not depend on the noise, computed once per forecast: Context -> taxa [B, D, W], community [B, W]."""

    def __init__(self, taxa: int, categories: list[int], width: int):
        super().__init__()
        self.history, self.anchored = History(width), nn.Linear(ANCHORED, width)
        self.taxa = nn.Parameter(torch.randn(taxa, width) * 0.1)
        self.tokens, self.attention = ConditionTokens(categories, width), Attention(width)
        self.numbers = nn.Sequential(nn.Linear(PER_FORECAST, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, context: Context) -> tuple[torch.Tensor, torch.Tensor]:
        taxa = self.taxa + self.anchored(context.anchored) + self.history(context.history, context.present)
        numbers = self.numbers(context.numbers)
        query = (numbers + taxa.mean(dim=1))[:, None]
        attended = self.attention(query, self.tokens(context.fields, context.missing))  # [B, 1, W]
        return taxa, numbers + attended[:, 0]


class Denoiser(nn.Module):
    """(noisy [B, D], signal [B], noise [B], taxa [B, D, W], community [B, W]) -> target [B, D]."""

    def __init__(self, taxa: int, categories: list[int], width: int, blocks: int, dropout: float):
        super().__init__()
        self.encode, self.time = Encoded(taxa, categories, width), TimeEmbedding(width)
        self.enter = nn.Linear(1, width)
        self.layers = nn.ModuleList(Block(width, 0, dropout, modulated=True) for _ in range(blocks))
        self.mixing = nn.ModuleList(zero_(nn.Linear(width, width)) for _ in range(blocks))
        self.norm, self.leave = nn.LayerNorm(width), zero_(nn.Linear(width, 1))

    def forward(
        self,
        noisy: torch.Tensor,
        signal: torch.Tensor,
        noise: torch.Tensor,
        taxa: torch.Tensor,
        community: torch.Tensor,
    ) -> torch.Tensor:
        context = functional.silu(self.time(signal, noise) + community)[:, None]  # [B, 1, W]
        hidden = taxa + self.enter(noisy[..., None])  # [B, D, W]
        for layer, mix in zip(self.layers, self.mixing, strict=True):
            hidden = layer(hidden, context=context)
            hidden = hidden + mix(hidden.mean(dim=1, keepdim=True))
        return self.leave(self.norm(hidden))[..., 0]
