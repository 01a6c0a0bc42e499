"""Diversity between samples: distances [N, N] of rarefied counts, and their principal coordinates.

UniFrac as in taxoscape.unifrac; Bray-Curtis = sum |x - y| / sum (x + y); Aitchison = the distance of centred
log-ratios after a pseudocount (taxoscape.compositions). At one depth for all samples: with unequal depths a
pseudocount, and the number of taxa seen, would make depth itself a difference.
"""

import numpy as np
import pandas as pd
import scipy.sparse
from scipy.spatial.distance import pdist, squareform
from skbio.stats.distance import DistanceMatrix
from skbio.stats.ordination import pcoa

from taxoscape import unifrac
from taxoscape.compiled import compiled
from taxoscape.compositions import add_pseudocount, clr
from taxoscape.trees import TreeArrays

METRICS = {
    "unweighted_unifrac": "Unweighted UniFrac",
    "weighted_unifrac": "Weighted UniFrac (normalised)",
    "bray_curtis": "Bray-Curtis",
    "aitchison": "Aitchison",
}
AXES = 10
# Samples up to which all eigenvalues are computed; above it the first ones, by randomised iterations.
EXACT_UP_TO = 2000


def compared(samples: list[str], most: int) -> tuple[list[str], str]:
    """Samples whose pairs are compared, and why it is none of them (empty where it is all)."""
    if len(samples) <= most:
        return samples, ""
    return [], f"{len(samples):,} samples are more than diversity.max_samples={most:,}: their pairs are not compared"


def distances(metric: str, counts: np.ndarray, of_tips: np.ndarray, tree: TreeArrays, pseudocount: float) -> np.ndarray:
    """Distances [N, N] of rarefied counts [N, taxa], given also in the order of the tips of the tree [N, n]."""
    if not len(counts):
        return np.zeros((0, 0))
    if metric == "unweighted_unifrac":
        return unifrac.distances(of_tips, tree, "unweighted")
    if metric == "weighted_unifrac":
        return unifrac.distances(of_tips, tree, "weighted_normalized")
    if metric == "bray_curtis":
        return bray_curtis(counts)
    return squareform(pdist(clr(add_pseudocount(counts, pseudocount))))


def bray_curtis(counts: np.ndarray) -> np.ndarray:
    """Bray-Curtis dissimilarities [N, N] of counts [N, taxa]: 1 - 2 sum min(x, y) / sum (x + y)."""
    present = scipy.sparse.csr_array(counts)
    shared = _shared_reads(present.indptr, present.indices, present.data.astype(np.int64), counts.shape[1])
    reads = counts.sum(axis=1)
    return 1 - 2 * shared / (reads[:, None] + reads)


@compiled()
def _shared_reads(start, taxon, count, taxa):
    """Sum of min(x, y) over the taxa of every pair of samples [N, N], of counts by rows (CSR)."""
    samples = len(start) - 1
    shared = np.zeros((samples, samples), dtype=np.int64)
    row = np.zeros(taxa, dtype=np.int64)
    for first in range(samples):
        row[:] = 0
        for place in range(start[first], start[first + 1]):
            row[taxon[place]] = count[place]
        for second in range(first, samples):
            total = 0
            for place in range(start[second], start[second + 1]):
                total += min(row[taxon[place]], count[place])
            shared[first, second] = shared[second, first] = total
    return shared


def lsmat(distances: np.ndarray, samples: list[str]) -> pd.DataFrame:
    """Distances as the square table that scikit-bio and QIIME 2 read (lsmat): ids in the first row and column."""
    # Of no samples the header would be a line with nothing in it, which is no TSV.
    return pd.DataFrame(distances, index=pd.Index(samples, name="" if samples else "sample"), columns=samples)


def ordinate(distances: np.ndarray, samples: list[str], seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Principal coordinates: sample, PC1, ...; and axis, eigenvalue, explained (share of the total variation).

    An axis points to where its farthest sample lies. Fewer than 3 samples have none.
    """
    number = min(AXES, len(distances) - 1)
    if number < 2:
        return pd.DataFrame({"sample": []}), pd.DataFrame({"axis": [], "eigenvalue": [], "explained": []})
    method = "eigh" if len(distances) <= EXACT_UP_TO else "fsvd"
    found = pcoa(DistanceMatrix(distances), method, dimensions=number, seed=seed, warn_neg_eigval=False)
    places = found.samples.to_numpy()
    places = places * np.where(places[np.abs(places).argmax(axis=0), np.arange(number)] < 0, -1, 1)
    axes = [f"PC{axis}" for axis in range(1, number + 1)]
    frame = pd.DataFrame(places, columns=axes)
    frame.insert(0, "sample", samples)
    explained = {"eigenvalue": found.eigvals.to_numpy(), "explained": found.proportion_explained.to_numpy()}
    return frame, pd.DataFrame({"axis": axes} | explained)
