"""What the attention model reads of a study: counts, tokens and tree; its batches, and UniFrac of a batch."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from skbio import TreeNode

from taxoscape import tables, trees
from taxoscape.aam.options import Options
from taxoscape.aam.tokens import tokenize
from taxoscape.errors import InputError, examples
from taxoscape.learning.batches import Batch, make_batch, rarefy, read_reads
from taxoscape.taxonomy.lineages import NO_NAME


@dataclass(frozen=True)
class Study:
    """What the models read: counts of the features with a sequence, their tokens and their tree."""

    samples: np.ndarray  # [N] ids
    taxa: np.ndarray  # [T] ids
    counts: scipy.sparse.csr_matrix  # [N, T] reads
    tokens: torch.Tensor  # [T, 1 + L]
    ancestors: torch.Tensor  # [T, branches] 1 where a branch lies above a taxon
    lengths: torch.Tensor  # [branches] substitutions/site
    depth: int  # reads drawn per sample
    ranks: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.long))  # [T, ranks] -1 = unknown
    names: tuple[tuple[str, ...], ...] = ()  # clades of each rank, by their number in `ranks`

    def to(self, device: str) -> "Study":
        """The study with its tensors on a device."""
        return replace(
            self, **{name: getattr(self, name).to(device) for name in ("tokens", "ancestors", "lengths", "ranks")}
        )


def read_study(
    table: str | Path,
    sequences: str | Path,
    tree: str | Path,
    rarefied: str | Path,
    options: Options,
    taxonomy: str | Path | None = None,
) -> Study:
    """Read the samples of `rarefied`, at its depth: counts, tokens and tree of the features that have a sequence.

    Where a `taxonomy` is given, the clades of the features too. Features without a sequence are left out and counted.
    Raises InputError when no feature has one.
    """
    samples, features, counts, depth = read_reads(table, rarefied)
    known = tables.read_fasta(sequences) if Path(sequences).is_file() and Path(sequences).stat().st_size else {}
    if not any(name in known for name in features):
        raise InputError(
            f"none of the {len(features)} features of {table} has a sequence in {sequences}: "
            "set input.sequences to their FASTA, or aam.enabled: false"
        )
    study = make_study(samples, features, counts, known, trees.read_tree(tree), depth, options)
    return with_lineages(study, tables.read_taxonomy(taxonomy)) if taxonomy else study


def make_study(
    samples: np.ndarray,
    features: np.ndarray,
    counts: scipy.sparse.csr_matrix,
    known: dict[str, str],
    tree: TreeNode,
    depth: int,
    options: Options,
    prune: bool = False,
) -> Study:
    """Study of samples with counts [N, T], at `depth` reads, by the features whose sequence is `known` (at least one).

    `prune` cuts the tree down to these features (see above).
    """
    kept, reads = np.array([name in known for name in features], dtype=bool), counts.sum()
    counts = counts[:, np.flatnonzero(kept)]
    print(
        f"{kept.sum()} of {len(kept)} features have a sequence ({counts.sum() / reads:.1%} of the reads); "
        f"left out: {examples(features[~kept]) or 'none'}"
    )
    taxa = features[kept].astype(str)
    ancestors, lengths = above(trees.tree_arrays(tree), taxa, prune)
    tokens = tokenize([known[name] for name in taxa], options.max_bp)
    study = Study(samples, taxa, counts, tokens, ancestors, lengths, depth)
    return study.to(options.device)


def with_lineages(study: Study, lineages: pd.Series) -> Study:
    """The study with the clade of each taxon at each rank; a taxon without a lineage, or a rank without a name, is -1.

    A clade is named by its whole path, so that two genera of one name are two. Raises InputError when no taxon has one.
    """
    paths = [lineage.split(";") for lineage in lineages.reindex(study.taxa).fillna("")]
    paths = [[part.strip() for part in parts] for parts in paths]
    depth = max(map(len, paths))
    ranks, names = np.full((len(paths), depth), -1), []
    for rank in range(depth):
        clade = [";".join(parts[: rank + 1]) if len(parts) > rank and named(parts[rank]) else "" for parts in paths]
        known = sorted(set(clade) - {""})
        ranks[:, rank] = [known.index(name) if name else -1 for name in clade]
        names.append(tuple(known))
    if not any(names):
        raise InputError(
            f"none of the {len(study.taxa)} features has a lineage: unifrac_metric needs a taxonomy of them"
        )
    kept = [rank for rank in range(depth) if names[rank]]
    ranks = torch.from_numpy(ranks[:, kept]).to(study.tokens.device)
    return replace(study, ranks=ranks, names=tuple(names[rank] for rank in kept))


def named(part: str) -> bool:
    """Whether a part of a lineage (`g__Blautia`, `Blautia`) names a clade."""
    return part.rpartition("__")[2].lower() not in NO_NAME


def above(tree: trees.TreeArrays, taxa: np.ndarray, prune: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Branches above each taxon [T, branches] (0 or 1) and their lengths [branches]; none above what is no tip.

    `prune` joins the branches that lie above the same taxa into one: fewer of them, the same UniFrac.
    """
    tip = {name: row for row, name in enumerate(tree.tips)}
    found = np.array([name in tip for name in taxa], dtype=bool)
    if not found.all():
        print(f"{(~found).sum()} taxa are not in the tree and add nothing to UniFrac: {examples(taxa[~found])}")
    nodes = tree.tip_node[[tip[name] for name in taxa[found]]]
    matrix = trees.ancestors_matrix(replace(tree, tips=list(taxa[found]), tip_node=nodes))
    used = np.flatnonzero((matrix.getnnz(axis=0) > 0) & (tree.length > 0))
    ancestors = np.zeros((len(taxa), len(used)), dtype=np.float32)
    ancestors[found] = matrix[:, used].toarray()
    lengths = tree.length[used]
    if prune:
        sets = np.packbits(ancestors > 0, axis=0).T
        _, first, same = np.unique(sets, axis=0, return_index=True, return_inverse=True)
        ancestors, lengths = ancestors[:, first], np.bincount(same.ravel(), weights=lengths)
        print(f"the tree was pruned from {len(tree.parent):,} branches to {len(lengths):,}")
    return torch.from_numpy(ancestors), torch.from_numpy(lengths.astype(np.float32))


def drawn_batches(
    study: Study, order: np.ndarray, options: Options, seed: tuple[int, ...], keys: np.ndarray | None = None
) -> Iterator[Batch]:
    """Rarefy samples `order` [n] by the stream `seed` and cut them into batches, in that order; the last may be small.

    `keys` [n] name the samples' streams (see rarefy). With options.num_workers, threads work ahead; nothing changes.
    """
    keys = np.arange(len(order)) if keys is None else keys

    def batch_from(start: int) -> Batch:
        part = slice(start, start + options.batch_size)
        drawn = rarefy(study.counts[order[part]], study.depth, seed, keys[part])
        made = make_batch(drawn, np.arange(drawn.shape[0]), options.token_limit)
        return replace(made, rows=order[part]).to(study.tokens.device)

    starts = range(0, len(order), options.batch_size)
    if not options.num_workers:
        yield from map(batch_from, starts)
        return
    with ThreadPoolExecutor(options.num_workers) as workers:
        yield from workers.map(batch_from, starts)


def branches(batch: Batch, ancestors: torch.Tensor, weighted: bool = False) -> torch.Tensor:
    """Branches of each sample [B, branches]: 1 where it has an ASV below, or the share of its reads below (weighted).

    In float32 whatever the precision around it: bfloat16 errs by 0.008.
    """
    with torch.autocast(ancestors.device.type, enabled=False):
        below = torch.zeros(len(batch.rows), len(batch.unique), device=ancestors.device)
        below.scatter_add_(
            1, batch.gather, batch.abundance.exp() * batch.present if weighted else batch.present.float()
        )
        below = below @ ancestors[batch.unique]
        return below if weighted else (below > 0).float()


def distances(first: torch.Tensor, second: torch.Tensor, lengths: torch.Tensor, weighted: bool = False) -> torch.Tensor:
    """UniFrac between samples given by their branches [B, branches] and [R, branches] -> [B, R].

    Unweighted: S = (P * lengths) Q', s and t the lengths of each, d_ij = (s_i + t_j - 2 S_ij) / (s_i + t_j - S_ij).
    Weighted, normalised: sum of lengths |p_i - q_j| over that of lengths (p_i + q_j) (Lozupone et al. 2007).
    0 between two samples that have no branch.
    """
    with torch.autocast(lengths.device.type, enabled=False):
        one = first * lengths
        two = one if second is first else second * lengths
        both = one.sum(dim=1)[:, None] + two.sum(dim=1)[None, :]
        shared = one @ second.T
        apart = torch.cdist(one, two, p=1.0) if weighted else both - 2 * shared
        union = both if weighted else both - shared
        return apart / union.clamp(min=torch.finfo(union.dtype).tiny)


def unifrac(batch: Batch, ancestors: torch.Tensor, lengths: torch.Tensor, weighted: bool = False) -> torch.Tensor:
    """UniFrac [B, B] between the samples of a batch."""
    own = branches(batch, ancestors, weighted)
    return distances(own, own, lengths, weighted)


def faith(batch: Batch, ancestors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Natural log of 1 + Faith's PD [B], the length of all branches of a sample."""
    return torch.log1p(branches(batch, ancestors) @ lengths)
