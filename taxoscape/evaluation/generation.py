"""Generators against held-out real samples: the same metrics for each over repeated draws, and a verdict in words."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from taxoscape.evaluation import copying, fidelity, two_sample
from taxoscape.rarefy import draw
from taxoscape.scoring.bootstrap import bootstrap_weights, interval, pair_auc

# Held-out samples below which the figures are shown but nothing is concluded.
FEWEST = 20
NAMES = {"resampling": "resampled training samples", "copula": "a Gaussian copula"}
ADVICE = {
    "resampling": "resampling comes nearer, though it only hands out the training samples again",
    "copula": "set diffusion.model: copula",
}


@dataclass(frozen=True)
class Options:
    """Config section `evaluation`."""

    trees: int  # of the two-sample classifier
    bootstraps: int
    repeats: int  # draws of each generator


@dataclass(frozen=True)
class Communities:
    """Counts [N, D] with condition features [N, K] and the group of each sample [N]."""

    counts: np.ndarray
    features: np.ndarray
    groups: np.ndarray

    def take(self, rows: np.ndarray) -> "Communities":
        """Samples at these rows (indices or flags)."""
        return Communities(self.counts[rows], self.features[rows], self.groups[rows])


# (random generator, number of samples) -> communities
Generator = Callable[[np.random.Generator, int], Communities]


def resample(training: Communities) -> Generator:
    """The baseline that copies: training samples drawn with replacement.

    Their reads are drawn anew when all are brought to one depth, as the held-out samples' are. (Drawn to the full
    depth with replacement first they would lose rare taxa twice: AUC 0.73 instead of 0.71 on real people.)
    """

    def generate(rng: np.random.Generator, number: int) -> Communities:
        rows = rng.integers(0, len(training.counts), number)
        groups = np.array([f"copy{row}" for row in range(number)])
        return Communities(training.counts[rows], training.features[rows], groups)

    return generate


def subset(generated: Communities) -> Generator:
    """A finished table as a generator: other samples of it each time, as long as they last."""

    def generate(rng: np.random.Generator, number: int) -> Communities:
        return generated.take(rng.permutation(len(generated.counts))[:number])

    return generate


def common_depth(real: np.ndarray) -> int:
    """Reads to which all samples are brought: what every held-out sample [N, D] has, but at least half their median.

    Retained taxa hold fewer reads than the rarefied depth, in every sample others.
    """
    totals = real.sum(axis=1)
    return int(max(totals.min(), np.median(totals) // 2, 1))


def thin(communities: Communities, depth: int, seed: tuple[int, ...]) -> Communities:
    """Draw `depth` reads of every sample without replacement; samples with fewer are left out."""
    kept = communities.take(communities.counts.sum(axis=1) >= depth)
    drawn = [draw(counts, depth, (*seed, row)) for row, counts in enumerate(kept.counts)]
    shape = (len(drawn), communities.counts.shape[1])
    return Communities(np.array(drawn, dtype=np.int64).reshape(shape), kept.features, kept.groups)


def few(communities: Communities, most: int, seed: tuple[int, ...]) -> Communities:
    """The communities, or `most` of them drawn where there are more."""
    if len(communities.counts) <= most:
        return communities
    return communities.take(np.sort(np.random.default_rng(seed).permutation(len(communities.counts))[:most]))


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
) -> dict[str, dict[str, np.ndarray]]:
    """Measure generators against held-out `real` samples -> generator -> metric -> draws [repeats, 1 + bootstraps].

    All samples are first brought to `depth` reads. Every generator is held against the same number of samples, `most`
    (what one of them has made) or as many as are held out: the figures grow with it. A metric that cannot be had (too
    few samples) is left out. The bootstrap draws of real samples are the same for all generators, so that differences
    between them are paired.
    """
    measured = {name: [] for name in generators}
    for repeat in range(options.repeats):
        held_out = few(thin(real, depth, (seed, repeat, 0)), most, (seed, repeat))
        trained = thin(training, depth, (seed, repeat, 1))
        for number, (name, generate) in enumerate(generators.items()):
            rng = np.random.default_rng((seed, repeat, 2 + number))
            drawn = thin(generate(rng, len(held_out.counts)), depth, (seed, repeat, 2 + number))
            measured[name].append(
                measure(held_out, drawn, trained, options, seed=seed + repeat, rng=rng, threads=threads)
            )
            print(f"draw {repeat + 1} of {name}:", *(f"{key} {v[0]:.3f}" for key, v in measured[name][-1].items()))
    return {name: {key: np.array([r[key] for r in rows]) for key in rows[0]} for name, rows in measured.items()}


def measure(
    real: Communities,
    generated: Communities,
    training: Communities,
    options: Options,
    *,
    seed: int,
    rng: np.random.Generator,
    threads: int = 1,
) -> dict[str, np.ndarray]:
    """All metrics [1 + bootstraps] of one draw; both sides are cut to the same number of samples."""
    number = min(len(real.counts), len(generated.counts))
    real = real.take(np.sort(np.random.default_rng(seed).permutation(len(real.counts))[:number]))
    generated = generated.take(np.arange(number))
    w = bootstrap_weights(real.groups, options.bootstraps, np.random.default_rng(seed))
    v = bootstrap_weights(np.arange(number), options.bootstraps, rng)
    scores = _scores(real, generated, options.trees, seed, threads)
    drawn, side = np.hstack([w, v]), np.arange(2 * number) >= number
    found = {name: pair_auc(part, side, np.zeros(2 * number), drawn) for name, part in scores.items()}
    if len(training.counts):
        nearer = copying.nearer_to_training(generated.counts, training.counts, real.counts, rng)
        found["copying"] = v @ nearer / v.sum(axis=1)
    return found | {key: metric(real.counts, generated.counts, w, v) for key, metric in fidelity.METRICS.items()}


def summarize(measured: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, dict]]:
    """Generator -> metric -> value, low, high (95 %)."""
    return {name: {key: interval(draws) for key, draws in rows.items()} for name, rows in measured.items()}


def differences(measured: dict[str, dict[str, np.ndarray]], model: str = "diffusion") -> dict[str, dict]:
    """AUC of the model minus that of each baseline, with its 95 % interval; below 0 the model is more real."""
    if "auc" not in measured[model]:
        return {}
    return {
        name: interval(measured[model]["auc"] - rows["auc"])
        for name, rows in measured.items()
        if name != model and "auc" in rows
    }


def verdict(models: dict, differences: dict, n_real: int, kind: str) -> str:
    """Say in words whether the generator (`kind`: mlp or copula) beats its baselines."""
    if n_real < FEWEST or not differences:
        return (
            f"Only {n_real} held-out samples: too few to say whether generated communities are realistic. "
            "The figures are shown with their intervals; no ranking can be read from them."
        )
    auc = {name: models[name]["auc"]["value"] for name in models}
    baselines = [name for name in ("resampling", "copula") if name in auc and name != kind]
    best = min(baselines, key=lambda name: _told_apart(auc[name]))
    beside = " and ".join(f"{auc[name]:.2f} for {NAMES[name]}" for name in baselines)
    what = "the Gaussian copula (diffusion.model: copula)" if kind == "copula" else "the diffusion model"
    said = (
        f"A classifier tells communities of {what} from {n_real} held-out samples with AUC {auc['diffusion']:.2f} "
        f"(0.50 = it cannot), against {beside}"
    )
    near = [name for name in baselines if differences[name]["low"] <= 0 <= differences[name]["high"]]
    if _told_apart(auc["diffusion"]) < _told_apart(auc[best]):
        doubt = f", though the difference from {' and '.join(NAMES[name] for name in near)} is within chance"
        return f"{said}: the model is better{doubt if near else ''}. {_copied(models)}"
    doubt = " (a difference within chance)" if best in near else ""
    return f"{said}: the baseline is better{doubt}; {ADVICE[best]}. {_copied(models)}"


def _scores(real: Communities, generated: Communities, trees: int, seed: int, threads: int) -> dict[str, np.ndarray]:
    """Classifier scores on log counts, and on log counts with the conditions where there are any."""
    pair = [np.log1p(real.counts), np.log1p(generated.counts)]
    features = {"auc": pair}
    if real.features.shape[1]:
        features["auc_given_conditions"] = [
            np.hstack([table, side.features]) for table, side in zip(pair, (real, generated), strict=True)
        ]
    scores = {
        name: two_sample.forest_scores(*sides, real.groups, generated.groups, trees=trees, seed=seed, threads=threads)
        for name, sides in features.items()
    }
    return {name: found for name, found in scores.items() if found is not None}


def _told_apart(auc: float) -> float:
    # Below 0.5 is chance: the folds' classifiers had the sides the wrong way round.
    return max(auc, 0.5)


def _copied(models: dict) -> str:
    share = models["diffusion"]["copying"]["value"]
    return (
        f"{share:.0%} of the generated samples lie nearer to a training than to a held-out sample (50 % = no copying)."
    )
