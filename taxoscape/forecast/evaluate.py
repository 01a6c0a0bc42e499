"""Evaluation: forecasts of what was observed afterwards, beside the baselines, on the same tasks and draws of subjects.

Every number of a subject is the mean over its tasks, and subjects weigh the same. Errors of baselines are as far as
those on the held-out subjects of the training were: that is how a baseline comes to have intervals and a CRPS, too.
"""

import numpy as np

from taxoscape.forecast.baselines import NAMES
from taxoscape.forecast.courses import Task
from taxoscape.forecast.spread import LEVELS
from taxoscape.scoring.bootstrap import bootstrap_weights, interval
from taxoscape.scoring.distributions import crps, inside

MODEL = "forecast"
ANCHOR = "anchor alone"
# Metric -> what it is; for the first three less is better.
METRICS = {
    "aitchison": "Aitchison error",
    "bray_curtis": "Bray-Curtis error",
    "crps": "CRPS per taxon (log-ratios)",
    "coverage_50": "share inside the 50 % interval",
    "coverage_90": "share inside the 90 % interval",
}
FURTHER = "further on"  # samples after the next one
ERRORS = ("aitchison", "bray_curtis", "crps")
# Subjects below which the figures are shown but nothing is concluded.
FEWEST = 5
# Coverage that passes, per level.
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
    """Rows of at most `most` tasks of each subject and bin, drawn by the seed and the subject's own tasks alone."""
    kept = []
    subjects = np.array([task.subject for task in tasks])
    for subject in np.unique(subjects):
        for number in np.unique(bins[subjects == subject]):
            rows = np.flatnonzero((subjects == subject) & (bins == number))
            kept.append(np.sort(np.random.default_rng((seed, int(number))).permutation(rows)[:most]))
    return np.sort(np.concatenate(kept))


def coverage(drawn: np.ndarray, observed: np.ndarray, level: float) -> np.ndarray:
    """Share [P] of the taxa whose observed value [P, D] lies in the central interval of the draws [P, S, D]."""
    return inside(observed, drawn, level).mean(axis=1)


def measure(
    values: np.ndarray, shares: np.ndarray, drawn: np.ndarray, observed: np.ndarray, observed_shares: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Metrics [P] and mean CRPS per taxon [D] of a forecast: values, shares [P, D], draws [P, S, D] of log-ratios."""
    scores = crps(observed, drawn)
    found = {
        "aitchison": np.sqrt(((values - observed) ** 2).sum(axis=1)),
        "bray_curtis": 0.5 * np.abs(shares - observed_shares).sum(axis=1),
        "crps": scores.mean(axis=1),
    }
    found |= {f"coverage_{round(100 * level)}": coverage(drawn, observed, level) for level in LEVELS}
    return found, scores.mean(axis=0)


def summarize(measured: dict[str, dict[str, np.ndarray]], subjects: np.ndarray, draws: int, seed: int) -> dict:
    """Models and paired differences (forecast minus the other) of one bin, with bootstrap intervals over subjects."""
    names, member = np.unique(subjects, return_inverse=True)
    weights = bootstrap_weights(names, draws, np.random.default_rng(seed))
    weights = weights / weights.sum(axis=1, keepdims=True)
    per_task = np.bincount(member)

    def resampled(values: np.ndarray) -> np.ndarray:
        return weights @ (np.bincount(member, values) / per_task)  # [1 + draws]

    means = {name: {key: resampled(values) for key, values in found.items()} for name, found in measured.items()}
    models = {name: {key: interval(rows) for key, rows in found.items()} for name, found in means.items()}
    differences = {
        name: {key: interval(means[MODEL][key] - found[key]) for key in ERRORS}
        for name, found in means.items()
        if name != MODEL
    }
    return {"subjects": len(names), "tasks": len(subjects), "models": models, "differences": differences}


def verdict(bins: dict[str, dict]) -> str:
    """Say in words where the forecast beats the best baseline, where it does not, and whether its intervals hold."""
    subjects = max(entry["subjects"] for entry in bins.values())
    if subjects < FEWEST:
        return (
            f"Only {subjects} subjects could be forecast: too few to say whether the forecasts are of use. The figures "
            "are shown with their intervals; no ranking can be read from them."
        )
    said = []
    for key in ("aitchison", "bray_curtis"):
        outcome = {"better": [], "level": [], "worse": []}
        for name, entry in bins.items():
            best = min(NAMES, key=lambda other: entry["models"][other][key]["value"])
            gap = entry["differences"][best][key]
            kind = "better" if gap["high"] < 0 else "worse" if gap["low"] > 0 else "level"
            outcome[kind].append(
                f"{name} ({100 * gap['value'] / entry['models'][best][key]['value']:+.0f} % to {best})"
            )
        words = {"better": "beats", "level": "is level with", "worse": "is worse than"}
        parts = [f"{words[kind]} the best baseline at {'; '.join(found)}" for kind, found in outcome.items() if found]
        said.append(f"{METRICS[key]}: the forecast {', '.join(parts)}.")
    return f"{' '.join(said)} {_held(bins)}"


def _held(bins: dict[str, dict]) -> str:
    shares = {key: float(np.mean([entry["models"][MODEL][key]["value"] for entry in bins.values()])) for key in PASSES}
    text = " and ".join(f"the {key[-2:]} % intervals hold {share:.0%}" for key, share in shares.items())
    good = all(low <= shares[key] <= high for key, (low, high) in PASSES.items())
    return (
        f"On average over horizons {text} of what was observed: {'as they should' if good else 'not as they should'}."
    )
