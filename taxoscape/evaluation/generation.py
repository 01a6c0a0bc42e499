"""Generators compared with held-out real samples: the same metrics for each, over repeated draws."""

from dataclasses import dataclass, replace

import numpy as np

from taxoscape.evaluation import copying, fidelity, two_sample
from taxoscape.evaluation.generators import Communities, Generator, few, resample, subset, thin
from taxoscape.scoring.bootstrap import bootstrap_weights, pair_auc
from taxoscape.scoring.comparison import summarize
from taxoscape.scoring.results import Comparison

AUC, AUC_GIVEN = "two_sample_auc", "two_sample_auc_given_conditions"
CHANCE = 0.5  # AUC of a classifier that cannot distinguish the sides; below it is chance, too
# Training samples themselves, each once: what the figures are of real samples of other subjects.
FLOOR = "other_real"


@dataclass(frozen=True)
class Options:
    """Config section `evaluation`."""

    trees: int  # of the two-sample classifier
    bootstraps: int
    repeats: int  # draws of each generator


@dataclass(frozen=True)
class Measured:
    """Draws [repeats, 1 + bootstraps] of all metrics ([1 + bootstraps] of one repeat), and what they come from."""

    n: int  # samples a side
    groups: int  # of held-out samples
    draws: dict[str, dict[str, np.ndarray]]  # generator -> metric -> draws
    nearer: dict[str, np.ndarray]  # fresh | copier -> share nearer to training, the ends of the scale of copying
    left_out: dict[str, int]  # generator -> folds of the classifier that left one side alone


def compare(
    real: Communities,
    training: Communities,
    generators: dict[str, Generator],
    depth: int,
    options: Options,
    *,
    most: int,
    seed: int,
    threads: int = 1,
) -> Measured:
    """Measure generators, and other real samples, against held-out `real` samples.

    All samples are first brought to `depth` reads. Every generator is compared with the same number of samples, `most`
    (what one of them has made) or as many as every side has: the figures grow with it. A metric that cannot be measured
    (too few samples) is left out. The bootstrap draws of real samples are the same for all generators, so that
    differences between them are paired.
    """
    generators = generators | {FLOOR: subset(training)}
    repeats = [
        _repeat(real, training, generators, depth, options, most, (seed, repeat), threads)
        for repeat in range(options.repeats)
    ]
    return Measured(
        n=min(part.n for part in repeats),
        groups=len(np.unique(real.groups)),
        draws={name: _stack([part.draws[name] for part in repeats]) for name in generators},
        nearer=_stack([part.nearer for part in repeats]),
        left_out={name: sum(part.left_out[name] for part in repeats) for name in generators},
    )


def summary(measured: Measured, name: str, judged: str) -> Comparison:
    """Comparison with intervals. Of AUCs the difference is that of their distances above chance: below it is a tie."""
    sizes = {"n": measured.n, "groups": measured.groups}
    found = summarize(name, measured.draws, judged, AUC, **sizes)
    above = {
        model: {key: np.maximum(drawn, CHANCE) if key in (AUC, AUC_GIVEN) else drawn for key, drawn in metrics.items()}
        for model, metrics in measured.draws.items()
    }
    return replace(found, differences=summarize(name, above, judged, AUC, **sizes).differences)


def _repeat(
    real: Communities,
    training: Communities,
    generators: dict[str, Generator],
    depth: int,
    options: Options,
    most: int,
    seed: tuple[int, int],
    threads: int,
) -> Measured:
    """One draw of every generator, measured: draws [1 + bootstraps]."""
    held_out, trained = thin(real, depth, (*seed, 0)), thin(training, depth, (*seed, 1))
    wanted = min(most, len(held_out.counts), len(trained.counts))
    sides = {
        name: thin(generate(np.random.default_rng((*seed, place)), wanted), depth, (*seed, place))
        for place, (name, generate) in enumerate((generators | {"copier": resample(training)}).items(), start=2)
    }
    number = min(wanted, *(len(side.counts) for side in sides.values()))
    once = int(np.random.default_rng(seed).integers(2**31))
    yardstick = copying.make_yardstick(trained, held_out, sides.pop("copier"), options.bootstraps, once)
    held, draws, left_out = few(held_out, number, seed), {}, {}
    for name, side in sides.items():
        side = side.take(np.arange(number))
        weights = _weights(held, side, options.bootstraps, once)
        draws[name], left_out[name] = measure(held, side, weights, options, once, threads)
        if name != FLOOR and yardstick:
            draws[name] |= copying.measure(side, weights[1], yardstick)
        print(f"draw {seed[1] + 1} of {name}:", *(f"{key} {drawn[0]:.3f}" for key, drawn in draws[name].items()))
    ends = {"fresh": yardstick.fresh, "copier": yardstick.copier} if yardstick else {}
    return Measured(number, len(np.unique(held.groups)), draws, ends, left_out)


def measure(
    real: Communities,
    generated: Communities,
    weights: tuple[np.ndarray, np.ndarray],
    options: Options,
    seed: int,
    threads: int = 1,
) -> tuple[dict[str, np.ndarray], int]:
    """Metrics [B] of as many generated as real samples under weights [B, N] of both; number of folds left out."""
    found, alone, positive = {}, 0, np.arange(2 * len(real.counts)) >= len(real.counts)
    for name, sides in _forms(real, generated).items():
        judged = two_sample.forest_scores(
            *sides, real.groups, generated.groups, trees=options.trees, seed=seed, threads=threads
        )
        if judged is not None:
            found[name] = pair_auc(judged[0], positive, judged[1], np.hstack(weights))
            alone = two_sample.left_out(*judged)
    return found | {
        key: metric(real.counts, generated.counts, *weights) for key, metric in fidelity.METRICS.items()
    }, alone


def _forms(real: Communities, generated: Communities) -> dict[str, list[np.ndarray]]:
    """What the classifiers read: log counts, and with the conditions where there are any."""
    plain = [np.log1p(side.counts) for side in (real, generated)]
    if not real.features.shape[1]:
        return {AUC: plain}
    given = [np.hstack([table, side.features]) for table, side in zip(plain, (real, generated), strict=True)]
    return {AUC: plain, AUC_GIVEN: given}


def _weights(real: Communities, generated: Communities, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap weights [1 + draws, N] of both sides: a subject is drawn with what was generated for it."""
    groups = np.concatenate([real.groups, generated.groups])
    if np.isin(generated.groups, real.groups).any() and len(np.unique(groups)) > 1:
        weights = bootstrap_weights(groups, draws, np.random.default_rng(seed))
        return weights[:, : len(real.groups)], weights[:, len(real.groups) :]
    return tuple(
        bootstrap_weights(side.groups, draws, np.random.default_rng((seed, place) if place else seed))
        for place, side in enumerate((real, generated))
    )


def _stack(repeats: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Draws [repeats, ...] of what every repeat has."""
    shared = [key for key in repeats[0] if all(key in part for part in repeats)]
    return {key: np.array([part[key] for part in repeats]) for key in shared}
