"""Functions of whole samples: genomes times what each genome has.

Reads / 16S copies = genomes (a genome with seven 16S genes leaves seven times the reads of one with a single gene);
genomes [S, N] @ KO copies [N, K] = KO copies of the sample. This is PICRUSt2's `pred_metagenome`. Taxa without a
profile of their own add nothing here; how many reads they have is said per sample.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from taxoscape.files import atomic

ROWS = 200  # samples multiplied at a time
DIGITS = 7  # written of each sum


def genomes(counts: np.ndarray, evidence: pd.DataFrame, normalise: bool | str) -> scipy.sparse.csr_matrix:
    """Genomes [S, N] behind reads [S, N]: divided by 16S copies if `normalise`; 0 where a taxon has no own profile.

    `auto` divides where the 16S copies are known, and says in the log which it was.
    """
    own = (evidence["status"] == "ok").to_numpy()
    known = evidence["copies"].to_numpy(dtype=float)
    if normalise == "auto":
        normalise = bool(np.isfinite(known[own]).any())
        print(f"reads are {'divided by 16S copies' if normalise else 'taken as genomes: no 16S copies are known'}")
    copies = known if normalise else np.ones(len(evidence))
    return scipy.sparse.csr_matrix(counts * np.divide(1.0, copies, out=np.zeros(len(copies)), where=own))


def in_samples(genomes: scipy.sparse.csr_matrix, copies: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the copies [<= ROWS, K] in the samples, block by block: genomes [S, N] @ copies per genome [N, K]."""
    copies = np.asarray(copies, dtype=float)
    for first in range(0, genomes.shape[0], ROWS):
        yield genomes[first : first + ROWS] @ copies


def channel_table(genomes: scipy.sparse.csr_matrix, mapped: pd.DataFrame, samples: list[str]) -> pd.DataFrame:
    """Share of each channel in the copies of a sample: genomes [S, N], channel copies per genome [N, C].

    Columns sample and the channels; rows sum to 1, and are NaN for a sample in which no taxon has an own profile.
    """
    copies = genomes @ mapped.to_numpy(dtype=float)
    total = copies.sum(axis=1, keepdims=True)
    shares = np.divide(copies, total, out=np.full(copies.shape, np.nan), where=total > 0)
    return pd.DataFrame(shares, pd.Index(samples, name="sample"), mapped.columns).reset_index()


def describe(samples: list[str], counts: np.ndarray, evidence: pd.DataFrame) -> pd.DataFrame:
    """Per sample: reads, share (0-1) of them without an own profile, and NSTI and identity weighted by the others."""
    own = (evidence["status"] == "ok").to_numpy()
    reads = counts.sum(axis=1)
    frame = pd.DataFrame({"sample": samples, "reads": reads})
    frame["share_without_profile"] = _ratio(counts[:, ~own].sum(axis=1), reads)
    for name in ("nsti", "identity"):
        values = evidence[name].to_numpy(dtype=float)
        known = own & np.isfinite(values)
        frame[f"weighted_{name}"] = _ratio(counts[:, known] @ values[known], counts[:, known].sum(axis=1))
    return frame


def write_copies(blocks: Iterator[np.ndarray], samples: list[str], columns: list[str], path: str | Path) -> None:
    """Write samples x columns as gzipped TSV, block by block: thousands of samples never stand in memory at once."""
    with _writer(path) as handle:
        handle.write(("\t".join(["sample", *columns]) + "\n").encode())
        names = iter(samples)
        for block in blocks:
            for row in block:
                handle.write(("\t".join([next(names), *_texts(row)]) + "\n").encode())


def write_stratified(
    genomes: scipy.sparse.csr_matrix, mapped: pd.DataFrame, samples: list[str], path: str | Path
) -> None:
    """Write who brings what: a row per sample and taxon in it, its genomes there and its copies [N, C] per channel."""
    per_genome = mapped.to_numpy(dtype=float)
    with _writer(path) as handle:
        handle.write(("\t".join(["sample", "taxon", "genomes", *mapped.columns]) + "\n").encode())
        for sample, first, last in zip(samples, genomes.indptr[:-1], genomes.indptr[1:], strict=True):
            for taxon, number in zip(genomes.indices[first:last], genomes.data[first:last], strict=True):
                row = _texts([number, *(number * per_genome[taxon])])
                handle.write(("\t".join([sample, mapped.index[taxon], *row]) + "\n").encode())


@contextmanager
def _writer(path: str | Path) -> Iterator[gzip.GzipFile]:
    with atomic(path) as partial, open(partial, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as handle:
        yield handle


def _texts(values) -> list[str]:
    return [f"{value:.{DIGITS}g}" for value in values]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
