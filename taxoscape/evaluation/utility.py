"""Train on generated, test on real: how much of what hosts' variables do to communities the generated ones carry.

A random forest learns each condition from real training samples, and from generated ones with the conditions they were
generated for; both predict the held-out samples (Esteban et al. 2017, arXiv:1706.02633). All learn from the same number
of samples, at the same depth.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from taxoscape.evaluation.generation import Options
from taxoscape.evaluation.generators import Communities, thin
from taxoscape.learning.communities import Study, condition_rows
from taxoscape.scoring.comparison import Held, Prediction, compare
from taxoscape.scoring.results import Comparison

FEWEST = 10  # samples to learn from


def sources(
    study: Study, generated: Communities, matched: np.ndarray, copula_at: Callable, seed: int
) -> dict[str, tuple[Communities, np.ndarray]]:
    """Source, the real one first -> (communities, rows of the study whose conditions they have).

    `matched` are the rows whose conditions the generated samples have; copula_at(rows, rng) draws from the copula.
    """
    train = study.rows("train")
    train = train[study.samples.counts[train].sum(axis=1) > 0]
    again = np.random.default_rng((seed, 11)).integers(len(train), size=len(train))
    at = condition_rows(study, len(train), seed)
    return {
        "training": (communities(study, train), train),
        "diffusion": (generated, matched),
        "copula": (copula_at(at, np.random.default_rng((seed, 12))), at),
        "resampling": (communities(study, train[again]), train[again]),
    }


def communities(study: Study, rows: np.ndarray) -> Communities:
    """Samples of the study, without features."""
    return Communities(study.samples.counts[rows], np.zeros((len(rows), 0)), study.groups[rows])


def measure(
    sources: dict[str, tuple[Communities, np.ndarray]], study: Study, depth: int, options: Options, seed: int
) -> list[Comparison]:
    """Per condition: forests that learned it from each source, predicting the held-out samples.

    A condition that is known of fewer than FEWEST samples of a side, or does not vary, is left out. The source that is
    compared with the others is "training", the real one.
    """
    rows = study.rows("test")
    real, found = (communities(study, rows), rows), []
    for field in study.conditions.columns:
        values = study.conditions[field]
        categories = None if pd.api.types.is_numeric_dtype(values) else sorted(set(values.dropna()))
        learned = {
            name: _known(side, values, depth, (seed, place))[:2] for place, (name, side) in enumerate(sources.items())
        }
        counts, truth, groups = _known(real, values, depth, (seed, len(sources)))
        number = min(len(labels) for _, labels in learned.values())
        if min(number, len(truth)) < FEWEST or any(len(set(labels)) < 2 for _, labels in learned.values()):
            continue
        kind = object if categories else float
        found.append(
            compare(
                f"learned from generated samples: {field}",
                Held(np.arange(len(truth)), truth.astype(kind), groups, np.zeros(len(truth), int)),
                {
                    name: Prediction(_predict(*side, number, counts, categories, options.trees, seed).astype(kind))
                    for name, side in learned.items()
                },
                categories=categories,
                judged="training",
                metric="accuracy" if categories else "mae",
                draws=options.bootstraps,
                seed=seed,
            )
        )
    return found


def _predict(
    table: np.ndarray,
    labels: np.ndarray,
    number: int,
    counts: np.ndarray,
    categories: list[str] | None,
    trees: int,
    seed: int,
) -> np.ndarray:
    """What a forest that learned from `number` samples of a table predicts of counts [M, D]."""
    chosen = np.random.default_rng(seed).permutation(len(table))[:number]
    kind = RandomForestClassifier if categories else RandomForestRegressor
    forest = kind(trees, random_state=seed, n_jobs=1)
    return forest.fit(np.log1p(table[chosen]), labels[chosen]).predict(np.log1p(counts))


def _known(
    side: tuple[Communities, np.ndarray], values: pd.Series, depth: int, seed: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts at the depth, values and groups of the samples of a side whose value is known."""
    communities, rows = side
    own = values.iloc[rows].to_numpy()
    kept = pd.notna(own) & (communities.counts.sum(axis=1) >= depth)
    thinned = thin(communities.take(kept), depth, seed)
    return thinned.counts, own[kept], thinned.groups
