"""Evaluation: forecasts compared with what was observed afterwards, next to the baselines, on the same tasks.

Every number of a subject is the mean over its tasks, and subjects weigh the same.
"""

import numpy as np
import pandas as pd

from taxoscape.forecast.baselines import NAMES, Point
from taxoscape.forecast.courses import Task
from taxoscape.scoring.bootstrap import bootstrap_weights, interval
from taxoscape.scoring.distributions import INTERVALS, crps, inside
from taxoscape.scoring.results import METRICS, Comparison, Verdict
from taxoscape.scoring.verdicts import FEW_GROUPS, outcome

MODEL = "forecast"
ANCHOR = "anchor alone"
ANCHOR_PAST = "anchor with past errors"
FURTHER = "further on"  # samples after the next one
ERRORS = ("aitchison", "bray_curtis", "crps")
HEADLINE = ERRORS[0]
# Shares of what was observed that intervals may hold, by level.
PASSES = {"coverage_50": (0.45, 0.55), "coverage_90": (0.86, 0.94)}


def bins_of(tasks: list[Task], horizons: list[float]) -> np.ndarray:
    """Bin of each task [P]: 0 = the next sample; further on, k = up to the k-th horizon, one more beyond the last."""
    ahead = np.array([task.ahead for task in tasks])
    place = 1 + np.searchsorted(np.asarray(horizons), ahead)
    return np.where([task.first for task in tasks], 0, place)


def bin_names(horizons: list[float], unit: str) -> list[str]:
    """Words for the bins."""
    edges = [0, *horizons]
    names = [f"{FURTHER}, {low:g} to {high:g} {unit} ahead" for low, high in zip(edges, edges[1:], strict=False)]
    return ["next sample", *names, f"{FURTHER}, over {edges[-1]:g} {unit} ahead"]


def chosen(tasks: list[Task], bins: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Rows of at most `most` tasks of each subject and bin, chosen by the seed and the subject's own tasks alone."""
    kept = []
    subjects = np.array([task.subject for task in tasks])
    for subject in np.unique(subjects):
        for number in np.unique(bins[subjects == subject]):
            rows = np.flatnonzero((subjects == subject) & (bins == number))
            kept.append(np.sort(np.random.default_rng((seed, int(number))).permutation(rows)[:most]))
    return np.sort(np.concatenate(kept))


def measure(
    point: Point, drawn: np.ndarray, observed: np.ndarray, shares: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Metrics [P] and mean CRPS per taxon [D] of a forecast: draws [P, S, D] and observed [P, D] in log-ratios."""
    scores = crps(observed, drawn)
    found = {
        "aitchison": np.sqrt(((point.values - observed) ** 2).sum(axis=1)),
        "bray_curtis": 0.5 * np.abs(point.shares - shares).sum(axis=1),
        "crps": scores.mean(axis=1),
    }
    found |= {key: inside(observed, drawn, level).mean(axis=1) for key, level in INTERVALS.items()}
    return found, scores.mean(axis=0)


def compare(
    name: str, measured: dict[str, dict[str, np.ndarray]], subjects: np.ndarray, draws: int, seed: int
) -> Comparison:
    """Models and paired differences of the tasks [P] of one bin, with bootstrap intervals over their subjects [P]."""
    names = np.unique(subjects)
    weights = bootstrap_weights(names, draws, np.random.default_rng(seed)) / len(names)
    means = {
        model: weights @ pd.DataFrame(found).groupby(subjects).mean()  # [1 + draws, metrics]
        for model, found in measured.items()
    }
    return Comparison(
        name=name,
        judged=MODEL,
        metric=HEADLINE,
        n=len(subjects),
        groups=len(names),
        models={model: {key: interval(values) for key, values in found.items()} for model, found in means.items()},
        differences={
            model: {key: interval(means[MODEL][key] - found[key]) for key in ERRORS}
            for model, found in means.items()
            if model != MODEL
        },
    )


def verdict(comparisons: list[Comparison]) -> Verdict:
    """Where the forecast is better than the best baseline and where its intervals hold, bin by bin.

    Bins of fewer than FEW_GROUPS subjects are not judged. The kind and the mark are those of the Aitchison error.
    """
    judged = [part for part in comparisons if part.groups >= FEW_GROUPS]
    left_out = "; ".join(f"{part.name} ({part.groups})" for part in comparisons if part.groups < FEW_GROUPS)
    few = f"Fewer than {FEW_GROUPS} subjects are too few to judge by: {left_out}."
    if not judged:
        return Verdict("open", "too few subjects", few)
    kinds = [_outcome(part, HEADLINE) for part in judged]
    won = kinds.count("better")
    kind = "better" if won == len(kinds) else "worse" if "worse" in kinds else "level"
    text = [*(_compared(judged, key) for key in ERRORS[:2]), *(_held(judged, key) for key in PASSES)]
    mark = f"better than the best baseline at {won} of {len(kinds)} horizons"
    return Verdict(kind, mark, " ".join([*text, few] if left_out else text))


def best_baseline(part: Comparison, key: str) -> str:
    """The baseline of the lowest error; the anchor alone is a part of the forecast and not among them."""
    return min(NAMES, key=lambda name: part.models[name][key]["value"])


def _outcome(part: Comparison, key: str) -> str:
    return outcome(part.differences[best_baseline(part, key)][key], key)


def _compared(judged: list[Comparison], key: str) -> str:
    """A sentence about an error: at which bins the forecast is better than, level with and worse than a baseline."""
    found = {"better": [], "level": [], "worse": []}
    for part in judged:
        best = best_baseline(part, key)
        share = part.differences[best][key]["value"] / part.models[best][key]["value"]
        found[_outcome(part, key)].append(f"{part.name} ({100 * share:+.0f} % compared with {best})")
    words = {"better": "better than", "level": "level with", "worse": "worse than"}
    parts = [f"{words[kind]} the best baseline at {'; '.join(names)}" for kind, names in found.items() if names]
    return f"{METRICS[key].label}: the forecast is {'. It is '.join(parts)}."


def _held(judged: list[Comparison], key: str) -> str:
    """A sentence about the intervals of a level: the bins at which they hold another share than they may."""
    low, high = PASSES[key]
    shares = {part.name: part.models[MODEL][key]["value"] for part in judged}
    wrong = [f"{name} ({100 * share:.1f} %)" for name, share in shares.items() if not low <= share <= high]
    if not wrong:
        return f"The {key[-2:]} % intervals hold at every horizon."
    return (
        f"The {key[-2:]} % intervals do not hold {100 * low:.0f} to {100 * high:.0f} % of what was observed at "
        f"{len(wrong)} of {len(judged)} horizons: {'; '.join(wrong)}."
    )
