"""Generated communities as files: counts as a BIOM table, and what their landscapes are drawn from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse

from taxoscape import images, tables
from taxoscape.diffusion import models
from taxoscape.learning.communities import Study


def write_communities(
    model: models.Generator,
    asked: tuple[np.ndarray, np.ndarray],
    names: Sequence[str],
    study: Study,
    seed: int,
    basis: images.Basis,
    table: str | Path,
    landscapes: str | Path,
) -> None:
    """Generate at the conditions `asked` (values [M, F], missing [M, F]) and write the table and the landscapes.

    `landscapes` is laid out as images/composition.npz: with the study's basis its values are images, and back.
    """
    blocks = []
    for counts in models.blocks(model, *asked, seed):
        blocks.append(scipy.sparse.csr_matrix(counts))
        print(f"{sum(block.shape[0] for block in blocks):,} of {len(names):,} communities", flush=True)
    counts = scipy.sparse.vstack(blocks)
    tables.write_table(counts, study.taxa, names, table)
    dense = counts.toarray()
    depths = np.full(len(dense), study.depth)
    images.save_composition(landscapes, list(names), basis, images.values_of(dense, basis), dense, depths)
