"""Recall: what the ASVs known from training say of the nucleotides of a sequence that is seen in part."""

import torch
from torch import nn
from torch.nn import functional

from taxoscape.aam.tokens import letters

# How many of the nearest known ASVs are asked; the share of doubt at the start; how much more a nearest ASV weighs for
# every nucleotide that it agrees in, and less for one in which it differs within these windows (nucleotides), at the
# start: what stands nearby tells more.
NEAREST = 32
DOUBT, SHARPNESS = 0.05, 0.5
WINDOWS, NEARBY = (11, 31), 0.3
# Adam moves every weight by its learning rate; the scalars have further to go than other weights.
SPEED = 20.0


class Recall(nn.Module):
    """Nucleotides expected from the nearest of the known ASVs: a vote in which agreement weighs exponentially.

    Position l of a sequence holds letter a with probability (1 - e) sum_j w_jl [x_jl = a] + e f_l(a): x_j are the known
    ASVs, f_l how often each letter stands at l, and w_jl = softmax_j of s times the visible letters in which x_j
    agrees, less s_w times those within a window w around l in which it differs. Doubt e and sharpness s, s_w are
    learned; the vote of large s copies the nearest ASV.
    """

    def __init__(self, max_bp: int) -> None:
        super().__init__()
        self.register_buffer("known", torch.zeros(0, max_bp, dtype=torch.uint8))
        self.register_buffer("frequency", torch.zeros(max_bp, 4))
        self.doubt = nn.Parameter(torch.tensor(DOUBT).logit() / SPEED)
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS).log() / SPEED)
        self.nearby = nn.Parameter(torch.full((len(WINDOWS),), NEARBY).log() / SPEED)

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
            shown = letters(seen[:, 1:])
            agree = shown.flatten(1) @ letters(known).flatten(1).T  # [U, T]
            itself = key(clean[:, 1:])[:, None] == key(known)[None]
            agree, nearest = agree.masked_fill(itself, -torch.inf).topk(min(NEAREST, len(known)), dim=1)
            asked = letters(known[nearest])  # [U, K, L, 4]
            apart = shown.sum(dim=2)[:, None] - torch.einsum("ula,ukla->ukl", shown, asked)  # 1 where letters differ
            score = agree.clamp(min=-1e4)[..., None] * (SPEED * self.sharpness).exp()
            for width, sharpness in zip(WINDOWS, (SPEED * self.nearby).exp(), strict=True):
                score = score - sharpness * width * functional.avg_pool1d(apart, width, 1, width // 2)
            weights = score.softmax(dim=1)
            weights = weights * agree.isfinite()[..., None]  # no vote for itself where fewer others are known
            vote = torch.einsum("ukl,ukla->ula", weights, asked)
            doubt = (SPEED * self.doubt).sigmoid()
            return ((1 - doubt) * vote + doubt * frequency.exp()).log()


def key(tokens: torch.Tensor) -> torch.Tensor:
    """A number [n] of each sequence of tokens [n, L], the same for equal ones (and, but for 2^-64, only for these)."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(2**62, (tokens.shape[1],), generator=generator).to(tokens.device)
    return (tokens.long() * (2 * factors + 1)).sum(dim=1)
