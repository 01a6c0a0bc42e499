"""Copying: how much nearer to the training samples are generated ones than a fresh draw is, on a pure copier's scale?

The raw statistic c is the chance that a sample's nearest neighbour (Bray-Curtis) is a training sample rather than a
held-out reference. On its own it is not enough: held-out subjects may differ from training subjects, and a copy goes
unseen where its source does not compete. So c is measured of held-out samples too, each compared with references of
other groups, and of resampled training samples: copying = (c - c_fresh) / (c_copier - c_fresh). Groups are left out of
the references fold by fold: with halves as many samples show a copier's distance from a fresh draw half as clearly.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import hypergeom

from taxoscape.evaluation.generators import Communities, few
from taxoscape.scoring.bootstrap import bootstrap_weights

# Parts of the held-out groups; one at a time is no reference.
FOLDS = 10
# Held-out groups below which the references would be nearly gone.
FEWEST = 4
# Training samples, and references, that compete, at most: time grows with the product of their numbers.
MOST = 2000


@dataclass(frozen=True)
class Yardstick:
    """What copying is measured with: samples that compete, and c [1 + bootstraps] of a fresh draw and of a copier."""

    training: Communities
    references: Communities  # held-out samples
    folds: np.ndarray  # [N] of the references
    fresh: np.ndarray
    copier: np.ndarray


def make_yardstick(
    training: Communities, held_out: Communities, copies: Communities, draws: int, seed: int
) -> Yardstick | None:
    """Yardstick of training samples, held-out ones and `copies` of the former; None where groups are too few."""
    if len(np.unique(held_out.groups)) < FEWEST or not len(training.counts):
        return None
    training, held_out = (few(part, MOST, (seed, place)) for place, part in enumerate((training, held_out)))
    folds = fold_groups(held_out.groups, np.random.default_rng((seed, 1)))
    ends = [
        weighted(
            nearer_to_training(part, training, held_out, folds),
            bootstrap_weights(part.groups, draws, np.random.default_rng(seed)),
        )
        for part in (held_out, copies)
    ]
    return Yardstick(training, held_out, folds, *ends)


def measure(generated: Communities, weights: np.ndarray, yardstick: Yardstick) -> dict[str, np.ndarray]:
    """Raw share nearer to training, and copying from 0 (fresh) to 1 (copier), under weights [B, M] -> [B] each.

    Copying is NaN where the copier is no nearer to training than a fresh draw.
    """
    share = weighted(nearer_to_training(generated, yardstick.training, yardstick.references, yardstick.folds), weights)
    room = yardstick.copier - yardstick.fresh
    copying = np.divide(share - yardstick.fresh, room, out=np.full(len(share), np.nan), where=room > 0)
    return {"nearer_to_training": share, "copying": copying}


def fold_groups(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fold [N] of each sample, whole groups [N] at random."""
    names, member = np.unique(groups, return_inverse=True)
    return rng.permutation(np.arange(len(names)) % FOLDS)[member]


def nearer_to_training(
    samples: Communities, training: Communities, references: Communities, folds: np.ndarray
) -> np.ndarray:
    """Chance [M] that a sample's nearest neighbour is a training sample rather than a reference of other folds [N].

    A sample whose group is in no fold has the mean over all that can be left out.
    """
    to_training, to_references = (cdist(samples.counts, part.counts, "braycurtis") for part in (training, references))
    total, times = np.zeros(len(samples.counts)), np.zeros(len(samples.counts))
    for fold in np.unique(folds):
        others = folds != fold
        tested = ~np.isin(samples.groups, references.groups[others])
        total[tested] += nearest_chance(to_training[tested], to_references[np.ix_(tested, others)])
        times += tested
    return total / times


def nearest_chance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Chance [M] that the smallest of distances `one` [M, N] is below that of `other` [M, K]; ties count half.

    min(N, K) of each side compete, drawn at random from the larger one: more of a side would win by number alone.
    """
    most, number = one.shape[1], other.shape[1]
    if number > most:
        return 1 - nearest_chance(other, one)
    nearest = other.min(axis=1, keepdims=True)
    ahead = np.stack([(one < nearest).sum(axis=1), (one <= nearest).sum(axis=1)])
    return 1 - hypergeom.pmf(0, most, ahead, number).mean(axis=0)


def weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means [B] of values [N] under weights [B, N]."""
    return weights @ values / weights.sum(axis=1)
