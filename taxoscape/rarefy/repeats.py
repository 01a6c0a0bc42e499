"""How much one draw decides: richness, Shannon diversity and composition of each sample over repeated rarefactions.

The first draw is the table that the workflow uses. Draws are compared, never averaged: a mean of drawn counts would
hold every taxon that was drawn even once.
"""

import biom
import numpy as np
import pandas as pd
import scipy.sparse


def compare(drawn: list[biom.Table]) -> pd.DataFrame:
    """One row per sample over the draws [D >= 2] of the same samples at the same depth, the first of which is in use.

    sample; richness and shannon (nats) of the first, their mean and standard deviation (D - 1) over all draws;
    bray_curtis, the mean distance of the others to the first.
    """
    taxa = list(dict.fromkeys(taxon for table in drawn for taxon in table.ids("observation")))
    counts = [_aligned(table, taxa) for table in drawn]
    richness, diversity = np.array([draw.getnnz(axis=1) for draw in counts]), np.array([shannon(d) for d in counts])
    depth = np.asarray(counts[0].sum(axis=1)).ravel()
    apart = [np.asarray(abs(draw - counts[0]).sum(axis=1)).ravel() / (2 * depth) for draw in counts[1:]]
    columns = {"sample": drawn[0].ids()} | _spread("richness", richness) | _spread("shannon", diversity)
    return pd.DataFrame(columns | {"bray_curtis": np.mean(apart, axis=0)})


def shannon(counts: scipy.sparse.csr_matrix) -> np.ndarray:
    """Shannon diversity (nats) [samples] of counts [samples, taxa]."""
    share = scipy.sparse.diags_array(1 / np.asarray(counts.sum(axis=1)).ravel()) @ counts
    share.data = -share.data * np.log(share.data)
    return np.abs(np.asarray(share.sum(axis=1)).ravel())


def _aligned(table: biom.Table, taxa: list[str]) -> scipy.sparse.csr_matrix:
    """Counts [samples, taxa] in the given order of taxa."""
    place = pd.Index(taxa).get_indexer(table.ids("observation"))
    found = table.matrix_data.tocoo()
    return scipy.sparse.csr_matrix((found.data, (found.col, place[found.row])), (table.shape[1], len(taxa)))


def _spread(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Value of the first draw, mean and standard deviation over the draws [draws, samples]."""
    return {name: values[0], f"{name}_mean": values.mean(axis=0), f"{name}_sd": values.std(axis=0, ddof=1)}
