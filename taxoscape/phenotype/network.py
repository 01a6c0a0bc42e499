"""The network: taxa -> embeddings by messages over graphs; a sample -> tokens; a noisy phenotype and tokens -> x_0.

Symbols: B samples, S tokens of the largest, K noisy phenotypes of each, D phenotypes, T taxa, W width.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from taxoscape.learning import HEADS
from taxoscape.learning.conditions import ConditionTokens
from taxoscape.learning.layers import Attention, Block, TimeEmbedding, standard_abundance, zero_
from taxoscape.taxa import Taxa

# Standard deviation of embeddings and of learned nodes at the start.
START = 0.1


class Messages(nn.Module):
    """A round of messages along two kinds of edges, each with weights of its own (R-GCN, Schlichtkrull et al. 2018).

    Nodes [V, W] exchange messages with their relatives in the tree, taxa with channels [C, W].
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own, self.relatives, self.genes = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.channel, self.carriers = nn.Linear(width, width), nn.Linear(width, width)
        self.norm, self.channel_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(
        self,
        nodes: torch.Tensor,
        channels: torch.Tensor,
        edges: torch.Tensor,
        closeness: torch.Tensor,
        genes: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """nodes [V, W], channels [C, W] -> the same; edges [2, E] with closeness [E], genes [T, C] edge weights."""
        taxa = len(genes)
        received = torch.zeros_like(nodes).index_add(0, edges[1], closeness[:, None] * nodes[edges[0]])
        message = self.own(nodes) + self.relatives(received)
        if len(channels):
            of_genes = self.genes(genes @ channels / math.sqrt(len(channels)))
            message = torch.cat([message[:taxa] + of_genes, message[taxa:]])
            carried = self.channel(channels) + self.carriers(genes.T @ nodes[:taxa] / taxa)
            channels = channels + functional.silu(self.channel_norm(carried))
        return nodes + functional.silu(self.norm(message)), channels


class TaxonGraph(nn.Module):
    """Embeddings [T, W] of taxa: what is known of each, a part of its own, and what its neighbours in the graphs say.

    The graphs are the tree of the taxa and the bipartite graph of taxa and channels.
    """

    def __init__(self, taxa: Taxa, width: int, layers: int) -> None:
        super().__init__()
        for name in ("features", "channels", "edges", "closeness"):
            self.register_buffer(name, getattr(taxa, name), persistent=False)
        count, ancestors = len(taxa.features), taxa.nodes - len(taxa.features)
        self.enter = nn.Linear(taxa.features.shape[1], width)
        self.own = nn.Parameter(START * torch.randn(count, width))
        self.ancestor = nn.Parameter(START * torch.randn(1, width))
        self.channel = nn.Parameter(START * torch.randn(taxa.channels.shape[1], width))
        self.ancestors = ancestors
        self.layers = nn.ModuleList(Messages(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self) -> torch.Tensor:
        taxa = self.enter(self.features) + self.own
        nodes, channels = torch.cat([taxa, self.ancestor.expand(self.ancestors, -1)]), self.channel
        for layer in self.layers:
            nodes, channels = layer(nodes, channels, self.edges, self.closeness, self.channels)
        return self.norm(nodes[: len(self.own)])


class Tokens(nn.Module):
    """A sample as a set of tokens [B, S, W]: a constant one, one per metadata field, one per taxon that is there.

    The token of a taxon is its embedding, scaled and shifted by its log abundance. The constant one is always there:
    over a single key softmax would be 1, and nothing could be learned of where to look.
    """

    def __init__(self, taxa: Taxa, categories: list[int], width: int, graph_layers: int, layers: int, dropout: float):
        super().__init__()
        self.taxa = TaxonGraph(taxa, width, graph_layers)
        self.fields = ConditionTokens(categories, width)
        self.abundance = nn.Sequential(nn.Linear(1, width), nn.GELU(), nn.Linear(width, 2 * width))
        self.blocks = nn.ModuleList(Block(width, HEADS, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        taxa: torch.Tensor,
        abundance: torch.Tensor,
        present: torch.Tensor,
        values: torch.Tensor,
        missing: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """taxa [B, S] places, abundance [B, S] log shares, values, missing [B, F] -> tokens, present [B, 1 + F + S]."""
        scale, shift = self.abundance(standard_abundance(abundance)[..., None]).chunk(2, dim=-1)
        tokens = self.taxa()[taxa] * (1 + scale) + shift
        fields = self.fields(values, missing)
        tokens = torch.cat([fields, tokens], dim=1)
        present = torch.cat([present.new_ones(fields.shape[:2]), present], dim=1)
        for block in self.blocks:
            tokens = block(tokens, present)
        return self.norm(tokens), present


class Denoiser(nn.Module):
    """(noisy [B, K, D], signal and noise [B, K], tokens [B, S, W], present [B, S]) -> x_0 [B, K, D]."""

    def __init__(self, phenotypes: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.time, self.enter = TimeEmbedding(width), nn.Linear(phenotypes, width)
        self.attentions = nn.ModuleList(Attention(width) for _ in range(blocks))
        self.layers = nn.ModuleList(Block(width, 0, dropout, modulated=True) for _ in range(blocks))
        self.norm, self.leave = nn.LayerNorm(width), zero_(nn.Linear(width, phenotypes))

    def forward(
        self,
        noisy: torch.Tensor,
        signal: torch.Tensor,
        noise: torch.Tensor,
        tokens: torch.Tensor,
        present: torch.Tensor,
    ) -> torch.Tensor:
        time = self.time(signal, noise)
        hidden = self.enter(noisy) + time
        for attention, layer in zip(self.attentions, self.layers, strict=True):
            attended = attention(hidden, tokens, present)
            hidden = layer(hidden + attended, context=functional.silu(time + attended))
        return self.leave(self.norm(hidden))


class Network(nn.Module):
    """Tokens of samples and the denoiser that attends to them."""

    def __init__(self, tokens: Tokens, denoiser: Denoiser) -> None:
        super().__init__()
        self.tokens, self.denoiser = tokens, denoiser

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.denoiser.leave.weight.device
