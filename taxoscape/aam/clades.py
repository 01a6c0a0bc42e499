"""Soft clades: groups of relatives by which samples compare as by UniFrac, and the distances that compare them.

Symbols: U distinct ASVs of a batch, L nucleotides, K clades, B samples, S ASVs of the largest sample, D embedding.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from taxoscape.aam.tokens import letters

# The network's width; how many times as fast as other weights the letters' and the scalars learn (Adam moves every
# weight by its learning rate); where a rate is large enough; how steep the edge of a ball of radius r is,
# STEEPNESS / (1 + r)^0.7 a mismatch; radii, as shares of the sequence.
CLADE_WIDTH = 128
LETTER_SPEED, SCALAR_SPEED = 6.0, 20.0
LARGEST_LOGIT = 12.0
STEEPNESS = 4.0
SMALLEST_RADIUS, LARGEST_RADIUS = 1 / 300, 0.27


class Clades(nn.Module):
    """Soft clades: which of K groups of relatives an ASV belongs to, learned so that samples compare as by UniFrac.

    ASV i belongs to clade k with m_ik = 1 - exp(-r_ik), a sample has it with p_k = 1 - prod_i (1 - m_ik)
    = 1 - exp(-sum_i r_ik), and clade k has a length b_k. With z_k = sqrt(b_k) p_k the Tanimoto similarity
    <z, z'> / (|z|^2 + |z'|^2 - <z, z'>) is 1 - UniFrac itself where the clades are the branches of the tree (Lozupone
    and Knight 2005); weighted, z_k = b_k sum_i share_i m_ik and sum |z - z'| / sum (z + z') is weighted UniFrac.
    The rate r is a softplus of a weight per position and letter, plus a small network of the ASV embedding. A clade
    begins as the ball of so many mismatches around an ASV of the training samples: operational taxonomic units at all
    radii, which learning then bends to the tree.
    """

    def __init__(self, dim: int, clades: int, max_bp: int) -> None:
        super().__init__()
        self.register_buffer("ball", torch.zeros(4 * max_bp, clades))
        self.register_buffer("offset", torch.zeros(clades))
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.letters, self.bias = nn.Parameter(torch.zeros(4 * max_bp, clades)), nn.Parameter(torch.zeros(clades))
        self.length = nn.Parameter(torch.zeros(clades))
        self.wide, self.narrow = nn.Linear(dim, CLADE_WIDTH), nn.Linear(CLADE_WIDTH, clades)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, tokens: torch.Tensor, asvs: torch.Tensor) -> torch.Tensor:
        """Rates r [U, K] of tokens [U, 1 + L] and ASV embeddings [U, D], in float32: the weights add up over L."""
        with torch.autocast(asvs.device.type, enabled=False):
            shown = letters(tokens[:, 1:]).flatten(1)  # [U, 4 L]
            weight = self.ball + LETTER_SPEED * self.letters
            said = shown @ weight[: shown.shape[1]] + self.offset + SCALAR_SPEED * self.bias
            bent = self.narrow(functional.gelu(self.wide((asvs.float() - self.centre) / self.spread)))
            return functional.softplus((said + bent).clamp(max=LARGEST_LOGIT))

    def pool(self, rates: torch.Tensor, abundance: torch.Tensor, present: torch.Tensor, weighted: bool) -> torch.Tensor:
        """Sample embeddings z [B, K] of rates [B, S, K], abundance [B, S] (log of the share), present [B, S]."""
        length = functional.softplus(SCALAR_SPEED * self.length)
        there = present.to(rates.dtype)[:, None, :]  # [B, 1, S]
        if weighted:
            return length * ((there * abundance.exp()[:, None, :]) @ -torch.expm1(-rates))[:, 0]
        return length.sqrt() * -torch.expm1(-(there @ rates)[:, 0])

    @torch.no_grad()
    def begin(self, tokens: torch.Tensor, asvs: torch.Tensor, prevalence: torch.Tensor) -> None:
        """Make balls around training ASVs, tokens [T, 1 + L], embeddings [T, D], in `prevalence` [T] samples each.

        Commoner ASVs are drawn more often, by the root of their prevalence; radii are log-uniform from one mismatch in
        two sequences to a quarter of the letters.
        """
        clades, length = self.length.shape[0], tokens.shape[1] - 1
        drawn = torch.multinomial(prevalence.sqrt(), clades, replacement=True)
        span = math.log(SMALLEST_RADIUS * length), math.log(LARGEST_RADIUS * length)
        radius = torch.exp(span[0] + (span[1] - span[0]) * torch.rand(clades, device=tokens.device))
        steep = STEEPNESS / (1 + radius) ** 0.7
        centres = letters(tokens[drawn, 1:])  # [K, L, 4]
        self.ball[: 4 * length] = (centres.flatten(1) * steep[:, None]).T
        self.offset.copy_(steep * (radius - centres.sum(dim=(1, 2))))
        self.centre.copy_(asvs.mean(dim=0))
        self.spread.copy_(spread(asvs))


def tanimoto_distance(z: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """1 - <z, z'> / (|z|^2 + |z'|^2 - <z, z'>) of z [B, K] to others [R, K] -> [B, R]; 1 where both are zero."""
    shared = z @ others.T
    union = (z**2).sum(dim=1)[:, None] + (others**2).sum(dim=1)[None, :] - shared
    return 1.0 - shared / union.clamp(min=torch.finfo(z.dtype).tiny)


def bray_curtis(z: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """sum |z - z'| / sum (z + z') of z [B, K] to others [R, K] -> [B, R]; 0 where both are zero."""
    both = z.sum(dim=1)[:, None] + others.sum(dim=1)[None, :]
    return torch.cdist(z, others, p=1.0) / both.clamp(min=torch.finfo(z.dtype).tiny)


def spread(asvs: torch.Tensor) -> torch.Tensor:
    """Standard deviation [D] of ASV embeddings [T, D], never 0; 1 of a single one."""
    return asvs.std(dim=0).clamp(min=torch.finfo(asvs.dtype).eps) if len(asvs) > 1 else torch.ones_like(asvs[0])
