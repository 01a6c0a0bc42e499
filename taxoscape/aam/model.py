"""Networks of AAM: nucleotide encoder, sample encoder, and their heads.

Symbols: U distinct ASVs of a batch, L nucleotides, P patches, B samples, S ASVs of the largest sample, D embedding.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from taxoscape.aam.clades import Clades, bray_curtis, spread, tanimoto_distance
from taxoscape.aam.recall import Recall
from taxoscape.aam.tokens import PAD, VOCABULARY
from taxoscape.learning.layers import Block, standard_abundance

BUCKETS = 8  # parts of a batch's sequences by length, where lengths differ


class AttentionPool(nn.Module):
    """Weighted mean over a set; a learned query scores its members."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1)

    def forward(self, x: torch.Tensor, present: torch.Tensor | None) -> torch.Tensor:
        """Pool x [B, S, D] over the present members -> [B, D]."""
        score = self.score(x)
        if present is not None:
            score = score.masked_fill(~present[..., None], -torch.inf)
        return (score.softmax(dim=1) * x).sum(dim=1)


class NucleotideEncoder(nn.Module):
    """Sequence -> ASV embedding, and the nucleotides it expects.

    `patch` neighbouring nucleotides share one token of the transformer (1 = every nucleotide its own), which divides
    the cost by `patch`; the masked-nucleotide head still answers for each nucleotide. The embedding is the pooled
    transformer output plus a linear map of the one-hot sequence: pooling forgets which letter stood where, and even a
    random linear map keeps the Hamming distances between aligned amplicons.
    """

    def __init__(self, dim: int, heads: int, layers: int, dropout: float, max_bp: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.letters = nn.Embedding(patch * VOCABULARY, dim)
        self.places = nn.Parameter(0.02 * torch.randn(1 + math.ceil(max_bp / patch), dim))
        self.start = nn.Parameter(0.02 * torch.randn(dim))
        self.blocks = nn.ModuleList(Block(dim, heads, dropout, widening=4) for _ in range(layers))
        self.norm, self.pool = nn.LayerNorm(dim), AttentionPool(dim)
        self.nucleotides = nn.Linear(dim, patch * 4)
        nn.init.zeros_(self.nucleotides.weight)
        nn.init.zeros_(self.nucleotides.bias)
        self.linear_scale = max_bp**-0.5
        self.linear = nn.EmbeddingBag(1 + max_bp * VOCABULARY, dim, mode="sum", padding_idx=0)
        nn.init.normal_(self.letters.weight, std=patch**-0.5)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode tokens [U, 1 + L] -> ASV embeddings [U, D] and hidden patches [U, P, D]."""
        place = torch.arange(tokens.shape[1] - 1, device=tokens.device)
        linear = self.linear(torch.where(tokens[:, 1:] == PAD, 0, 1 + VOCABULARY * place + tokens[:, 1:]))
        letters = functional.pad(tokens[:, 1:], (0, -(tokens.shape[1] - 1) % self.patch), value=PAD)
        letters = letters.view(len(tokens), -1, self.patch)  # [U, P, patch]
        offsets = VOCABULARY * torch.arange(self.patch, device=tokens.device)
        x = self.letters(letters + offsets).sum(dim=2)
        x = torch.cat([self.start.expand(len(x), 1, -1), x], dim=1) + self.places[: x.shape[1] + 1]
        present = functional.pad((letters != PAD).any(dim=2), (1, 0), value=True)
        present = None if present.all() else present
        for block in self.blocks:
            x = block(x, present)
        x = self.norm(x)
        # Divided here, not in the weights: Adam moves every weight by its learning rate, and L of them add up.
        return self.pool(x, present) + linear * self.linear_scale, x[:, 1:]

    def embed(self, tokens: torch.Tensor, chunk: int = 0) -> torch.Tensor:
        """ASV embeddings [U, D] of tokens [U, 1 + L], `chunk` sequences at a time (0 = all)."""
        return self._by_length(tokens, chunk, 0)

    def hide(self, tokens: torch.Tensor, chunk: int = 0) -> torch.Tensor:
        """Hidden patches [U, P, D] of tokens [U, 1 + L], `chunk` sequences at a time (0 = all)."""
        return self._by_length(tokens, chunk, 1)

    def _by_length(self, tokens: torch.Tensor, chunk: int, output: int) -> torch.Tensor:
        # Sequences of similar length together, each part without the padding that all of it has.
        patches = -(-(tokens[:, 1:] != PAD).sum(dim=1) // self.patch)
        longest = math.ceil((tokens.shape[1] - 1) / self.patch)
        if (patches == longest).all():
            return self._in_chunks(tokens, chunk, output)
        rows, found = patches.argsort(stable=True), []
        for part in rows.split(-(-len(rows) // BUCKETS)):
            width = int(patches[part[-1]])
            encoded = self._in_chunks(tokens[part, : 1 + self.patch * width], chunk, output)
            found.append(functional.pad(encoded, (0, 0, 0, longest - width)) if output else encoded)
        return torch.cat(found)[rows.argsort()]

    def _in_chunks(self, tokens: torch.Tensor, chunk: int, output: int) -> torch.Tensor:
        # Of a chunk only the result is kept for the backward pass, which computes the rest a second time.
        if not chunk:
            return self(tokens)[output]
        if not torch.is_grad_enabled():
            return torch.cat([self(part)[output] for part in tokens.split(chunk)])
        parts = [checkpoint(lambda x: self(x)[output], part, use_reentrant=False) for part in tokens.split(chunk)]
        return torch.cat(parts)

    def expect(self, hidden: torch.Tensor, length: int) -> torch.Tensor:
        """Logits of A, C, G, T at each nucleotide, beside what is known otherwise: hidden [U, P, D] -> [U, L, 4]."""
        return self.nucleotides(hidden).reshape(len(hidden), -1, 4)[:, :length]


class SampleEncoder(nn.Module):
    """Set of (ASV embedding, log relative abundance) -> sample embedding; no order, no positions.

    A learned token stands in every set, so that a sample in which nothing is known still has an embedding.
    """

    def __init__(self, dim: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.enter = nn.Linear(dim, dim)
        self.abundance = nn.Sequential(nn.Linear(1, dim), nn.GELU(), nn.Linear(dim, dim))
        self.sample = nn.Parameter(0.02 * torch.randn(dim))
        self.blocks = nn.ModuleList(Block(dim, heads, dropout, widening=4) for _ in range(layers))
        self.norm, self.pool = nn.LayerNorm(dim), AttentionPool(dim)
        self.leave = nn.Linear(dim, dim)

    @torch.no_grad()
    def standardise(self, asvs: torch.Tensor) -> None:
        """Fix the scale of the input by the ASV embeddings [T, D] of the training samples.

        Embeddings of one gene share most of their mean; without this, samples start out as good as parallel.
        """
        self.centre.copy_(asvs.mean(dim=0))
        self.spread.copy_(spread(asvs))

    def forward(
        self,
        asvs: torch.Tensor,
        abundance: torch.Tensor,
        present: torch.Tensor,
        unknown: torch.Tensor | None = None,
        hidden: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Read asvs [B, S, D], abundance [B, S] (natural log of the share), present [B, S] -> [B, 1 + S, D].

        The first of the 1 + S is the sample's own token. Where `hidden` [B, S], `unknown` [D] is read instead.
        """
        shares = self.abundance(standard_abundance(abundance)[..., None])
        if hidden is not None:
            shares = torch.where(hidden[..., None], unknown, shares)
        x = self.enter((asvs - self.centre) / self.spread) + shares
        x = torch.cat([self.sample.expand(len(x), 1, -1), x], dim=1)
        present = functional.pad(present, (1, 0), value=True)
        for block in self.blocks:
            x = block(x, present)
        return self.norm(x)

    def embed(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Sample embeddings z of length sqrt(D): x [B, 1 + S, D] -> [B, D], the direction of the sum over the set.

        <z_i, z_j> / D is then a normalised kernel between sets, as 1 - UniFrac is.
        """
        weights = functional.pad(present, (1, 0), value=True)[..., None].to(x.dtype)
        return math.sqrt(x.shape[2]) * functional.normalize((self.leave(x) * weights).sum(dim=1), dim=1)

    def summarise(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """What a target head reads: the sample's token, an attention-weighted and a plain mean, [B, 3 D]."""
        there = functional.pad(present, (1, 0), value=True)
        weights = there[..., None].to(x.dtype)
        mean = (x * weights).sum(dim=1) / weights.sum(dim=1)
        return torch.cat([x[:, 0], self.pool(x, there), mean], dim=1)


class UnifracHead(nn.Module):
    """UniFrac as an affine function of a kernel, d_ij = b - s <z_i, z_j> / D: 1 - UniFrac is positive semidefinite."""

    def __init__(self) -> None:
        super().__init__()
        self.offset, self.scale = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(0.5))

    def forward(self, z: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Distances of samples z [B, D] to `others` [R, D] -> [B, R]; not clamped, and in float32."""
        with torch.autocast(z.device.type, enabled=False):
            z, others = z.float(), others.float()
            return self.offset - self.scale * (z @ others.T) / z.shape[1]


class Encoder(nn.Module):
    """Base of AAM: nucleotide encoder and the heads of what pretraining predicts.

    With `clades` samples are compared by soft clades; without (0) by a sample encoder, which then is pretrained too.
    `classes` are the clades per rank of the taxonomy heads, which read ASV embeddings; none by default. Only with
    `recall` can it restore masked nucleotides.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        layers: int,
        dropout: float,
        max_bp: int,
        patch: int,
        clades: int = 0,
        weighted: bool = False,
        faith: bool = False,
        classes: Sequence[int] = (),
        recall: bool = False,
    ) -> None:
        super().__init__()
        self.dim, self.weighted = dim, weighted
        self.nucleotide = NucleotideEncoder(dim, heads, layers, dropout, max_bp, patch)
        self.recall = Recall(max_bp) if recall else None
        self.clades = Clades(dim, clades, max_bp) if clades else None
        self.sample = None if clades else SampleEncoder(dim, heads, layers, dropout)
        self.unifrac_head = None if clades else UnifracHead()
        self.faith = nn.Linear(clades or dim, 1) if faith else None
        self.ranks = nn.ModuleList(nn.Linear(dim, number) for number in classes)

    def read(self, tokens: torch.Tensor, chunk: int = 0) -> torch.Tensor:
        """What is known of ASVs [U, D + K]: embeddings of tokens [U, 1 + L], and their rates in K soft clades."""
        asvs = self.nucleotide.embed(tokens, chunk)
        return asvs if self.clades is None else torch.cat([asvs, self.clades(tokens, asvs)], dim=1)

    def restore(self, seen: torch.Tensor, clean: torch.Tensor, chunk: int = 0) -> torch.Tensor:
        """Logits of A, C, G, T [U, L, 4] of sequences `clean` [U, 1 + L], `seen` in part: recalled, corrected."""
        corrected = self.nucleotide.expect(self.nucleotide.hide(seen, chunk), seen.shape[1] - 1)
        return self.recall(seen, clean) + corrected

    def embed(self, asvs: torch.Tensor, abundance: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Sample embeddings z [B, K or D] of asvs [B, S, D + K], abundance [B, S], present [B, S]."""
        if self.clades is None:
            return self.sample.embed(self.sample(asvs, abundance, present), present)
        return self.clades.pool(asvs[..., self.dim :], abundance, present, self.weighted)

    def unifrac(self, z: torch.Tensor, others: torch.Tensor | None = None) -> torch.Tensor:
        """Distances of samples z [B, K or D] to `others` [R, K or D] (themselves) -> [B, R], in float32."""
        others = z if others is None else others
        if self.clades is None:
            return self.unifrac_head(z, others)
        with torch.autocast(z.device.type, enabled=False):
            return (bray_curtis if self.weighted else tanimoto_distance)(z.float(), others.float())


class Predictor(nn.Module):
    """Sample encoder with a target head: one output for regression, one logit per category for classification.

    `nucleotide` is None where the base is frozen: ASV embeddings then come ready-made.
    """

    def __init__(
        self,
        nucleotide: NucleotideEncoder | None,
        sample: SampleEncoder,
        outputs: int,
        dropout: float,
        counts: bool = False,
    ) -> None:
        super().__init__()
        self.nucleotide, self.sample, self.dropout = nucleotide, sample, dropout
        dim = 3 * sample.leave.out_features
        self.norm, self.target = nn.LayerNorm(dim), nn.Linear(dim, outputs)
        # Abundances that are hidden are told from the rest of the sample.
        self.unknown = nn.Parameter(torch.zeros(sample.leave.out_features)) if counts else None
        self.count = nn.Linear(sample.leave.out_features, 1) if counts else None

    def forward(self, asvs: torch.Tensor, abundance: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Predict the target of samples: asvs [B, S, D], abundance, present [B, S] -> [B, outputs]."""
        return self.read(self.sample(asvs, abundance, present), present)

    def read(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Target of samples from their encoded sets x [B, 1 + S, D] -> [B, outputs]."""
        z = self.norm(self.sample.summarise(x, present))
        return self.target(functional.dropout(z, self.dropout, self.training))

    def read_with_counts(
        self, asvs: torch.Tensor, abundance: torch.Tensor, present: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Target [B, outputs] and standardised abundances [B, S]; those of `hidden` [B, S] ASVs are not read."""
        x = self.sample(asvs, abundance, present, self.unknown, hidden)
        return self.read(x, present), self.count(x[:, 1:])[..., 0]
