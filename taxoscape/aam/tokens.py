"""Tokens: sequences as small integers, padded to one length, and the masking of nucleotides."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

PAD, START, MASK, OTHER = 0, 5, 6, 7
NUCLEOTIDES = "ACGT"  # tokens 1-4
VOCABULARY = 8

_CODES = np.full(256, OTHER, dtype=np.uint8)
_CODES[np.frombuffer(NUCLEOTIDES.encode(), dtype=np.uint8)] = np.arange(1, 5)


def tokenize(sequences: Sequence[str], max_bp: int) -> torch.Tensor:
    """Turn the first `max_bp` bases of each sequence into tokens [n, 1 + L], L the longest kept; START comes first."""
    kept = [sequence[:max_bp].encode() for sequence in sequences]
    length = max(map(len, kept), default=0)
    tokens = np.full((len(kept), 1 + length), PAD, dtype=np.uint8)
    tokens[:, 0] = START
    for row, sequence in enumerate(kept):
        tokens[row, 1 : 1 + len(sequence)] = _CODES[np.frombuffer(sequence, dtype=np.uint8)]
    return torch.from_numpy(tokens).long()


def letters(tokens: torch.Tensor) -> torch.Tensor:
    """Indicators of A, C, G, T [..., L, 4] of tokens [..., L]; none of another token."""
    return functional.one_hot(tokens.long(), VOCABULARY)[..., 1:5].float()


def mask_nucleotides(
    tokens: torch.Tensor, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace `share` of the nucleotides of sequences [n, 1 + L] by MASK; only A, C, G, T are masked.

    Returns the masked tokens and where they are masked [n, 1 + L].
    """
    drawn = torch.rand(tokens.shape, generator=generator).to(tokens.device)
    masked = (drawn < share) & (tokens >= 1) & (tokens <= 4)
    return tokens.masked_fill(masked, MASK), masked
