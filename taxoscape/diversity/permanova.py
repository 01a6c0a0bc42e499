"""PERMANOVA and PERMDISP of distances by a field, with the permutations that the design allows.

G = -1/2 J D^2 J is the Gram matrix of the samples in the space of their distances D (J centres). The variation that
goes with a field is SS = sum_k z_k' G z_k / z_k' z_k, over the indicators z_k of its g categories or its centred
numbers, and with df = g - 1 or 1

    R2 = SS / tr G,   pseudo-F = (SS / df) / ((tr G - SS) / (n - 1 - df))       (McArdle and Anderson 2001)

which for categories is skbio.stats.distance.permanova, and for numbers the regression of distance-based RDA.
Within subjects, z_k and G are centred in every subject, SS = tr((Z'Z)^+ Z'GZ), R2 stays a share of the whole
variation, and F has the rest within the S subjects below it, with n - S - df degrees: the field's line in an
analysis of variance after that of the subject.
PERMDISP is the analysis of variance of the samples' distances to the centroid of their category (Anderson 2006):
where dispersions differ, a small p of PERMANOVA need not mean different centroids. Its p is permuted with the
centroids of the categories laid on each other, so that their places do not count as dispersion.
"""

import numpy as np
import pandas as pd

from taxoscape.diversity.compare import Comparison, benjamini_hochberg, orders, permutation_p, within_subjects

COLUMNS = ["metric", "field", "type", "groups", "samples", "subjects", "permuted", "missing", "left_out"]
COLUMNS += ["df", "r2", "pseudo_f", "p", "dispersion_f", "dispersion_p", "note"]
# Columns of a matrix product at a time: permutations times categories.
BLOCK = 512


def field_tests(
    distances: dict[str, np.ndarray], comparisons: list[Comparison], permutations: int, seed: int, why_not: str = ""
) -> pd.DataFrame:
    """PERMANOVA and PERMDISP of every metric's distances [N, N] by every field; q over all tests of the table.

    `why_not` is what keeps all of them from being tested.
    """
    rows = []
    for comparison in comparisons:
        why = why_not or comparison.why_not
        order = None if why else orders(comparison, permutations, seed)
        for metric, matrix in distances.items():
            found = {"note": why} if why else compare_distances(matrix, comparison, order)
            rows.append({"metric": metric} | comparison.about() | found)
    frame = pd.DataFrame(rows, columns=COLUMNS).astype({"groups": "Int64", "df": "Int64"})
    for p, q in (("dispersion_p", "dispersion_q"), ("p", "q")):
        frame.insert(frame.columns.get_loc(p) + 1, q, benjamini_hochberg(frame[p].astype(float)))
    return frame


def compare_distances(distances: np.ndarray, comparison: Comparison, order: np.ndarray) -> dict:
    """PERMANOVA and PERMDISP of distances [N, N] by a field, its values permuted by `order` [P, n]."""
    gram = gower(distances[np.ix_(comparison.rows, comparison.rows)])
    total = np.trace(gram)
    if total <= 0:
        return {"note": "the samples do not differ"}
    every = np.vstack([np.arange(len(gram)), order])  # the order as it is comes first
    subjects = int(comparison.subject.max()) + 1 if comparison.permuted == "within subjects" else 1
    inner = gram if subjects == 1 else _centred(gram, comparison.subject)
    degrees, squares = explained(inner, comparison, every)
    if len(gram) - subjects - degrees < 1:
        return {"note": f"{len(gram)} samples of {subjects} subjects leave no degree of freedom"}
    rest = np.maximum(np.trace(inner) - squares, np.finfo(float).tiny)
    f = squares / degrees / (rest / (len(gram) - subjects - degrees))
    found = {"df": degrees, "r2": squares[0] / total, "pseudo_f": f[0], "p": permutation_p(f[0], f[1:]), "note": ""}
    if comparison.categorical:
        spread = dispersion(gram, comparison, every)
        found |= {"dispersion_f": spread[0], "dispersion_p": permutation_p(spread[0], spread[1:])}
    if comparison.permuted == "within subjects":
        found["note"] = f"the field changes within {comparison.varies_in} subjects"
    return found


def gower(distances: np.ndarray) -> np.ndarray:
    """Centred Gram matrix [n, n] of distances [n, n]."""
    gram = -0.5 * distances**2
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    return gram


def explained(gram: np.ndarray, comparison: Comparison, order: np.ndarray) -> tuple[int, np.ndarray]:
    """Degrees of freedom of the field, and sum of squares that goes with it in every permutation of `order` -> [P].

    Within subjects the products of the centred columns stay the same whatever changes places there.
    """
    groups = max(len(comparison.levels), 1)
    inverse, degrees = None, max(groups - 1, 1)
    if comparison.permuted == "within subjects":
        columns, _, _ = next(_designs(comparison, np.arange(len(gram))[None]))
        columns = within_subjects(columns, comparison.subject)
        inverse, degrees = np.linalg.pinv(columns.T @ columns), int(np.linalg.matrix_rank(columns))
    found = []
    for columns, weight, _ in _designs(comparison, order):
        product = gram @ columns
        if inverse is None:
            squares = np.einsum("nk,nk->k", columns, product) / weight
            found.append(squares.reshape(-1, groups).sum(axis=1))
        else:
            parts = [part.reshape(len(gram), -1, groups) for part in (columns, product)]
            found.append(np.einsum("npi,npj,ij->p", *parts, inverse, optimize=True))
    return degrees, np.concatenate(found)


def _centred(gram: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Gram matrix [n, n] of the samples' places less the mean place of their subject."""
    return within_subjects(within_subjects(gram, subject).T, subject)


def dispersion(gram: np.ndarray, comparison: Comparison, order: np.ndarray) -> np.ndarray:
    """F of the samples' distances to the centroid of their category in every permutation of `order` [P, n] -> [P]."""
    level, groups = comparison.values, len(comparison.levels)
    mean = np.eye(groups)[level] / np.bincount(level)
    across = mean.T @ gram  # [g, n]
    residual = gram - across[level] - across.T[:, level] + (across @ mean)[np.ix_(level, level)]
    found = []
    for columns, weight, levels in _designs(comparison, order):
        product = residual @ columns
        centre = np.einsum("nk,nk->k", columns, product) / weight**2
        squares = np.diag(residual)[:, None] - 2 * product / weight + centre  # [n, P g]
        squares = squares.reshape(len(residual), -1, groups)
        own = np.take_along_axis(squares, levels.T[:, :, None], axis=2)[:, :, 0]
        found.append(_analysis_of_variance(np.sqrt(np.maximum(own, 0.0)), columns, weight, groups))
    return np.concatenate(found)


def _designs(comparison: Comparison, order: np.ndarray):
    """Yield design columns [n, P k], their squared lengths [P k] and permuted values [P, n], block by block."""
    groups = max(len(comparison.levels), 1)
    step = max(BLOCK // groups, 1)
    for start in range(0, len(order), step):
        values = comparison.values[order[start : start + step]]
        if comparison.categorical:
            columns = (values.T[:, :, None] == np.arange(groups)).reshape(values.shape[1], -1).astype(np.float64)
        else:
            columns = (values - values.mean(axis=1, keepdims=True)).T
        yield columns, (columns**2).sum(axis=0), values


def _analysis_of_variance(values: np.ndarray, columns: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """F [P] of values [n, P] between the categories of the design columns [n, P g]."""
    number = len(values)
    values = values - values.mean(axis=0)
    sums = np.einsum("npg,np->pg", columns.reshape(number, -1, groups), values)
    between = (sums**2 / weight.reshape(-1, groups)).sum(axis=1)
    within = np.maximum((values**2).sum(axis=0) - between, np.finfo(float).tiny)
    return between / (groups - 1) / (within / (number - groups))
