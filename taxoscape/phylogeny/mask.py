"""Leave out alignment columns that are mostly gaps or not conserved, by the rule of QIIME 2's `alignment mask`."""

import numpy as np
import pandas as pd

from taxoscape.errors import InputError, examples

GAPS = b"-."


def mask_columns(
    aligned: dict[str, str], max_gap: float, min_conservation: float
) -> tuple[dict[str, str], pd.DataFrame]:
    """Keep columns with a share of gaps of max_gap at most and a conservation of min_conservation at least.

    The conservation of a column is the share of its commonest letter among the sequences that have a letter there
    (0 where none has). Returns the masked alignment, and of every column its place (from 1), both shares, and whether
    it is kept. Raises InputError when no column is kept, or of some sequence nothing but gaps.
    """
    matrix = np.array([np.frombuffer(sequence.encode(), dtype=np.uint8) for sequence in aligned.values()])  # [n, L]
    gaps, conservation = column_shares(matrix)
    dense, conserved = gaps <= max_gap, conservation >= min_conservation
    kept = dense & conserved
    total = matrix.shape[1]
    if not kept.any():
        raise InputError(
            f"the mask keeps none of the {total} alignment columns (phylogeny.max_gap={max_gap:g} passes "
            f"{dense.sum()}, phylogeny.min_conservation={min_conservation:g} passes {conserved.sum()}): relax them"
        )
    bare = np.isin(matrix[:, kept], _gap_codes()).all(axis=1)
    if bare.any():
        names = [name for name, empty in zip(aligned, bare, strict=True) if empty]
        raise InputError(
            f"the mask leaves {len(names):,} of {len(aligned):,} sequences nothing but gaps ({examples(names)}): "
            "relax phylogeny.max_gap or phylogeny.min_conservation, or take these sequences out of the table"
        )
    print(f"the mask keeps {kept.sum()} of {total} columns")
    columns = pd.DataFrame({"column": np.arange(1, total + 1), "gaps": gaps, "conservation": conservation})
    columns["kept"] = kept.astype(int)
    return {name: row[kept].tobytes().decode() for name, row in zip(aligned, matrix, strict=True)}, columns


def column_shares(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Letters [n, L] (bytes) -> share of gaps [L], and share of the commonest letter among the letters [L]."""
    gaps = np.isin(matrix, _gap_codes()).sum(axis=0)
    letters = [letter for letter in np.unique(matrix) if letter not in GAPS]
    commonest = np.max([(matrix == letter).sum(axis=0) for letter in letters], axis=0, initial=0)
    return gaps / len(matrix), commonest / np.maximum(len(matrix) - gaps, 1)


def _gap_codes() -> np.ndarray:
    return np.frombuffer(GAPS, dtype=np.uint8)
