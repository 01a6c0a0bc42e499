"""Rarefaction: the same number of reads drawn from every sample, without replacement."""

import hashlib

import biom
import numpy as np
import pandas as pd
import scipy.sparse

from taxoscape.errors import InputError


def rarefy(table: biom.Table, depth: int, seed: int, repeat: int = 1) -> tuple[biom.Table, pd.DataFrame]:
    """Draw `depth` reads of every sample; features left with none are removed.

    Samples are kept in the order of the table. Each sample has its own random stream (seed, id, repeat) over the
    features that it has, so that leaving out a sample or a feature that others have does not change it.
    Returns the table and the dropped samples (sample, reads, why).
    Raises InputError when no sample has `depth` reads.
    """
    matrix = table.matrix_data.T.tocsr().astype(np.int64)  # [samples, taxa]
    matrix.eliminate_zeros()
    matrix.sort_indices()
    reads = np.asarray(matrix.sum(axis=1)).ravel()
    kept = enough(reads, depth)
    names = table.ids()
    drawn = matrix[np.flatnonzero(kept)]
    for row, name in enumerate(names[kept]):
        own = slice(*drawn.indptr[row : row + 2])
        drawn.data[own] = draw(drawn.data[own], depth, stream(seed, name, repeat))
    present = np.flatnonzero(np.asarray(drawn.sum(axis=0)).ravel())
    drawn = scipy.sparse.csr_matrix(drawn[:, present].T.astype(float))
    drawn.eliminate_zeros()
    rarefied = biom.Table(drawn, table.ids("observation")[present], names[kept])
    dropped = pd.DataFrame({"sample": names[~kept], "reads": reads[~kept]})
    return rarefied, dropped.assign(why=f"fewer than {depth} reads")


def enough(reads: np.ndarray, depth: int) -> np.ndarray:
    """Whether each sample has `depth` reads [samples]. Raises InputError when none has."""
    reads = np.asarray(reads)
    if not (reads >= depth).any():
        largest = f"the largest has {int(reads.max()):,} reads" if len(reads) else "the table is empty"
        raise InputError(
            f"rarefy.depth={depth} keeps 0 of {len(reads)} samples ({largest}): lower rarefy.depth in the config"
        )
    return reads >= depth


def lost_before(track: pd.DataFrame, samples: np.ndarray) -> pd.DataFrame:
    """Samples of the study (sample, reads at each step) that the table lacks: sample, reads (0), why."""
    gone = track[~track["sample"].isin(samples)].set_index("sample").apply(pd.to_numeric)
    step = (gone == 0).idxmax(axis=1) if len(gone) else pd.Series(dtype=str)
    return pd.DataFrame({"sample": gone.index, "reads": 0, "why": [f"no read left at step {name}" for name in step]})


def stream(seed: int, sample: str, repeat: int = 1) -> tuple[int, ...]:
    """Seed of a sample's own random stream: the workflow's seed, the MD5 of the sample's id, the repeat from 2 on."""
    own = seed, int(hashlib.md5(str(sample).encode(), usedforsecurity=False).hexdigest(), 16)
    return own if repeat == 1 else (*own, repeat)


def draw(counts: np.ndarray, depth: int, seed: int | tuple[int, ...]) -> np.ndarray:
    """Draw `depth` of the reads counted in `counts` [taxa] without replacement."""
    return np.random.default_rng(seed).multivariate_hypergeometric(counts, depth, method="marginals")
