"""Samples as sets of taxa: reads drawn anew, and batches in which every distinct taxon is listed once."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import biom
import numpy as np
import pandas as pd
import scipy.sparse
import torch

from taxoscape import tables


@dataclass(frozen=True)
class Batch:
    """B samples; S = ASVs of the largest, U = distinct ASVs."""

    rows: np.ndarray  # [B] positions in the study
    unique: torch.Tensor  # [U] taxa
    gather: torch.Tensor  # [B, S] position in `unique`; 0 where absent
    present: torch.Tensor  # [B, S]
    abundance: torch.Tensor  # [B, S] natural log of the share of the sample's reads

    def to(self, device: torch.device) -> "Batch":
        """The batch with its tensors on a device."""
        return Batch(self.rows, *(part.to(device) for part in (self.unique, self.gather, self.present, self.abundance)))


def counts_of(table: biom.Table, samples: Sequence[str]) -> scipy.sparse.csr_matrix:
    """All reads of these samples of a table: sparse counts [N, T] of its features."""
    counts = table.matrix_data.T.tocsr()[pd.Index(table.ids()).get_indexer(samples)].astype(np.int64)
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


def read_reads(table: str | Path, rarefied: str | Path) -> tuple[np.ndarray, np.ndarray, scipy.sparse.csr_matrix, int]:
    """Samples [N] of the rarefied table, features [T] and all their reads [N, T] in the whole one, and the depth."""
    whole, shallow = tables.read_table(table), tables.read_table(rarefied)
    samples, features = (np.asarray(ids).astype(str) for ids in (shallow.ids(), whole.ids("observation")))
    return samples, features, counts_of(whole, samples), int(shallow.sum(axis="sample").max())


def rarefy(
    counts: scipy.sparse.csr_matrix, depth: int, seed: tuple[int, ...], keys: Sequence[int] | None = None
) -> scipy.sparse.csr_matrix:
    """Draw `depth` reads (all where there are fewer) of every sample [N, T].

    The streams are (seed, key of the sample); `keys` [N] are the samples' places where none are given.
    """
    drawn = []
    for row, key in enumerate(range(counts.shape[0]) if keys is None else keys):
        reads = counts.data[counts.indptr[row] : counts.indptr[row + 1]]
        generator = np.random.default_rng((*seed, int(key)))
        drawn.append(generator.multivariate_hypergeometric(reads, min(depth, reads.sum()), method="marginals"))
    data = np.concatenate(drawn) if drawn else np.zeros(0, dtype=np.int64)
    rarefied = scipy.sparse.csr_matrix((data, counts.indices.copy(), counts.indptr.copy()), shape=counts.shape)
    rarefied.eliminate_zeros()
    return rarefied


def sample_keys(names: np.ndarray) -> np.ndarray:
    """Number of each sample's streams of reads, from its id."""
    return np.array([zlib.crc32(name.encode()) for name in names])


def make_batch(drawn: scipy.sparse.csr_matrix, rows: np.ndarray, token_limit: int) -> Batch:
    """Gather samples `rows` of the drawn counts [N, T]; beyond `token_limit` the rarest ASVs of a sample are left out.

    Each distinct ASV of the batch stands once in `unique`. A sample without reads has no ASV present.
    """
    sets = [_largest(drawn, row, token_limit) for row in rows]
    unique, inverse = np.unique(np.concatenate([taxa for taxa, _ in sets]), return_inverse=True)
    unique = unique if len(unique) else np.zeros(1, dtype=np.int64)
    size = max(1, *(len(taxa) for taxa, _ in sets))
    gather = np.zeros((len(rows), size), dtype=np.int64)
    abundance = np.zeros((len(rows), size), dtype=np.float32)
    present = np.arange(size) < np.array([len(taxa) for taxa, _ in sets])[:, None]
    gather[present] = inverse
    abundance[present] = np.concatenate([np.log(shares) for _, shares in sets])
    return Batch(np.asarray(rows), *map(torch.from_numpy, (unique, gather, present, abundance)))


def _largest(drawn: scipy.sparse.csr_matrix, row: int, limit: int) -> tuple[np.ndarray, np.ndarray]:
    start, stop = drawn.indptr[row], drawn.indptr[row + 1]
    taxa, reads = drawn.indices[start:stop].astype(np.int64), drawn.data[start:stop]
    order = np.argsort(-reads, kind="stable")[:limit]
    return taxa[order], reads[order] / max(1, reads.sum())


def hide_asvs(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Hide a random `share` of each sample's ASVs, so that no prediction depends on a single one."""
    kept = torch.rand(batch.present.shape, generator=generator) >= share
    return replace(batch, present=batch.present & kept.to(batch.present.device))


def reads_lost(drawn: scipy.sparse.csr_matrix, token_limit: int) -> float:
    """Share of the drawn reads in ASVs beyond the token limit of their samples."""
    kept = 0
    for row in range(drawn.shape[0]):
        kept += np.sort(drawn.data[drawn.indptr[row] : drawn.indptr[row + 1]])[::-1][:token_limit].sum()
    return 1.0 - kept / max(1, drawn.sum())
