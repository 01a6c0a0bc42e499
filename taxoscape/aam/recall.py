"""Recall: what the ASVs known from training say of the nucleotides of a sequence that is seen in part."""

import torch
from torch import nn
from torch.nn import functional

from taxoscape.aam.tokens import letters

# How many of the nearest known ASVs are asked; the share of doubt at the start; how much more a nearest ASV weighs for
# every nucleotide that it agrees in, at the start.
NEAREST = 32
DOUBT, SHARPNESS = 0.05, 0.5
# Adam moves every weight by its learning rate; the two scalars have further to go than other weights.
SPEED = 20.0


class Recall(nn.Module):
    """Nucleotides expected from the nearest of the known ASVs: a vote in which agreement weighs exponentially.

    Position l of a sequence holds letter a with probability (1 - e) sum_j w_j [x_jl = a] + e f_l(a): x_j are the known
    ASVs, w_j = softmax_j of s times the visible letters in which x_j agrees, f_l how often each letter stands at l.
    Doubt e and sharpness s are learned; the vote of large s copies the nearest ASV.
    """

    def __init__(self, max_bp: int) -> None:
        super().__init__()
        self.register_buffer("known", torch.zeros(0, max_bp, dtype=torch.uint8))
        self.register_buffer("frequency", torch.zeros(max_bp, 4))
        self.doubt = nn.Parameter(torch.tensor(DOUBT).logit() / SPEED)
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS).log() / SPEED)

    @torch.no_grad()
    def remember(self, tokens: torch.Tensor) -> None:
        """Know the ASVs of tokens [T, 1 + L], and how often each nucleotide stands at each position."""
        length = tokens.shape[1] - 1
        self.known = functional.pad(tokens[:, 1:].unique(dim=0), (0, len(self.frequency) - length)).to(torch.uint8)
        counts = letters(tokens[:, 1:]).sum(dim=0) + 1.0  # [L, 4]
        self.frequency[:length] = (counts / counts.sum(dim=1, keepdim=True)).log()

    def forward(self, seen: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of A, C, G, T [U, L, 4] of sequences `clean` [U, 1 + L], `seen` in part.

        None of the known ASVs is asked about itself.
        """
        with torch.autocast(seen.device.type, enabled=False):  # counts of letters and small probabilities need float32
            length = seen.shape[1] - 1
            frequency = self.frequency[:length]
            if not len(self.known):
                return frequency.expand(len(seen), -1, -1)
            known = self.known[:, :length].long()
            agree = letters(seen[:, 1:]).flatten(1) @ letters(known).flatten(1).T  # [U, T]
            itself = key(clean[:, 1:])[:, None] == key(known)[None]
            agree, nearest = agree.masked_fill(itself, -torch.inf).topk(min(NEAREST, len(known)), dim=1)
            weights = (agree.clamp(min=-1e4) * (SPEED * self.sharpness).exp()).softmax(dim=1)
            weights = weights * agree.isfinite()  # no vote for itself where fewer others are known
            vote = torch.einsum("uk,ukla->ula", weights, letters(known[nearest]))
            doubt = (SPEED * self.doubt).sigmoid()
            return ((1 - doubt) * vote + doubt * frequency.exp()).log()


def key(tokens: torch.Tensor) -> torch.Tensor:
    """A number [n] of each sequence of tokens [n, L], the same for equal ones (and, but for 2^-64, only for these)."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(2**62, (tokens.shape[1],), generator=generator).to(tokens.device)
    return (tokens.long() * (2 * factors + 1)).sum(dim=1)
