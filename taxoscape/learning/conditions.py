"""Conditions as tokens: one per metadata field, from its value or from a learned "missing" state.

The missing state is also what a hidden condition becomes in training, so that one network samples with all, some or
none of its conditions (classifier-free guidance, Ho and Salimans 2022, arXiv:2207.12598).
"""

import torch
from torch import nn


class ConditionTokens(nn.Module):
    """Metadata values [B, F] and missing flags [B, F] -> tokens [B, 1 + F, W]; the first one is always there.

    `categories` has one number per field: how many categories it has, 0 for a continuous field. With the constant
    first token even a single field is attended to against something: softmax over one token alone is always 1, and
    query and key projections would have no gradient.
    """

    def __init__(self, categories: list[int], width: int):
        super().__init__()
        self.categories = categories
        self.constant = nn.Parameter(torch.randn(1, 1, width) * 0.5)
        self.missing = nn.Parameter(torch.randn(len(categories), width) * 0.5)
        self.values = nn.ModuleList(
            nn.Embedding(number, width)
            if number
            else nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, width))
            for number in categories
        )

    def forward(self, values: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
        tokens = [self.constant.expand(len(values), -1, -1)]
        for field, (number, embed) in enumerate(zip(self.categories, self.values, strict=True)):
            known = torch.where(missing[:, field], torch.zeros_like(values[:, field]), values[:, field])
            token = embed(known.long()) if number else embed(known[:, None])  # [B, W]
            token = torch.where(missing[:, field, None], self.missing[field], token)
            tokens.append(token[:, None])
        return torch.cat(tokens, dim=1)


def hide(missing: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Hide conditions of a batch: all fields of `share` of the samples, and each field alone as often.

    missing [B, F] -> missing [B, F] with what is hidden added.
    """
    everything = torch.rand(len(missing), 1, generator=generator) < share
    single = torch.rand(missing.shape, generator=generator) < share
    return missing | everything.to(missing.device) | single.to(missing.device)
