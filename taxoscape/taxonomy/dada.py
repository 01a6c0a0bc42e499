"""Assign lineages with DADA2's assignTaxonomy through rpy2.

Exact ties between genera it decides by std::random_device: where there are any, a second run gives other bootstraps.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from taxoscape.r_session import robjects

SHORTEST = 50  # nt; DADA2 classifies nothing shorter

# The generators are named: set.seed alone would follow whatever an R profile has chosen.
ASSIGN = """
function(sequences, training_set, min_bootstrap, seed, threads) {
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  dada2::assignTaxonomy(sequences, training_set, minBoot = min_bootstrap, tryRC = TRUE,
                        outputBootstraps = TRUE, multithread = threads)
}
"""


def classify(
    sequences: Sequence[str],
    training_set: str | Path,
    ranks: int,
    min_bootstrap: float,
    chunk: int,
    seed: int,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Classify sequences -> names [n, ranks] (None = below min_bootstrap percent) and bootstraps [n, ranks] (percent).

    Both strands are tried. `chunk` sequences go to R at a time; every chunk starts from the same seed, and the
    threads do not change the result. Sequences under 50 nt keep no name and a bootstrap of NaN.
    """
    names = np.full((len(sequences), ranks), None, dtype=object)
    bootstraps = np.full((len(sequences), ranks), np.nan)
    long = np.flatnonzero([len(sequence) >= SHORTEST for sequence in sequences])
    assign = robjects.r(ASSIGN)
    for start in range(0, len(long), chunk):
        rows = long[start : start + chunk]
        print(f"assignTaxonomy: sequences {start + 1} to {start + len(rows)} of {len(long)}")
        given = robjects.StrVector([sequences[row] for row in rows])
        result = assign(given, str(training_set), float(min_bootstrap), int(seed), int(threads))
        names[rows] = _matrix(result.rx2("tax"), ranks)
        bootstraps[rows] = _matrix(result.rx2("boot"), ranks)
    return names, bootstraps


def _matrix(values: robjects.Vector, ranks: int) -> np.ndarray:
    """R matrix (by columns) -> [n, ranks], NA as None."""
    cells = [None if value is robjects.NA_Character else value for value in values]
    return np.array(cells, dtype=object).reshape(ranks, -1).T
