"""What may be said of a model: better, level or worse by the interval of a paired difference, or too few to say."""

from collections.abc import Sequence

from taxoscape.scoring.results import METRICS, Comparison, Interval, Verdict

FEW_GROUPS = 10  # below it an interval from resampled groups says little
FEW_SAMPLES = 30  # below it predictions are not judged
CONSTANTS = ("mean", "majority")
WORDS = {"better": "better than", "level": "not distinguishable from", "worse": "worse than"}
MARKS = {"better": "signal; better than the forest", "level": "signal; level with the forest"}
MARKS |= {"worse": "signal; worse than the forest"}


def outcome(difference: Interval, metric: str) -> str:
    """Whether the judged model is better, level or worse, by its difference to another in a metric.

    Level where the interval holds zero or is unknown, and for metrics that are neither best high nor best low.
    """
    low_is_good = METRICS[metric].low_is_good
    if low_is_good is None or not (difference["low"] > 0 or difference["high"] < 0):
        return "level"
    return "better" if (difference["high"] < 0) == low_is_good else "worse"


def best(found: Comparison, names: Sequence[str]) -> str:
    """Name of the model with the best headline among `names`. Chosen by the same samples, which flatters it."""
    sign = 1 if METRICS[found.metric].low_is_good else -1
    return min(names, key=lambda name: sign * found.models[name][found.metric]["value"])


def judge_predictor(found: Comparison, name: str, baselines: Sequence[str], forest: str) -> Verdict:
    """Say how a predictor compares with the constant one, with a forest and with the best baseline, by the headline."""
    if found.n < FEW_SAMPLES or found.groups < FEW_GROUPS:
        text = (
            f"{found.n} samples of {found.groups} groups are too few to learn from or to judge by: the figures are "
            "shown with their intervals, and say nothing about other samples."
        )
        return Verdict("open", "too few samples", text)
    constant = next(model for model in CONSTANTS if model in baselines)
    kinds = {model: outcome(found.differences[model][found.metric], found.metric) for model in baselines}
    kind, mark = kinds[forest], MARKS[kinds[forest]]
    if kinds[constant] == "better":
        said = f"better than the {constant} predictor and {WORDS[kind]} the {_plain(forest)}"
    else:
        said = f"{'worse than' if kinds[constant] == 'worse' else 'no signal beyond'} the {constant} predictor"
        said += f", where the {_plain(forest)} finds more" if kind == "worse" else ""
        kind, mark = "worse", "no signal beyond guessing"
    top = best(found, baselines)
    if top not in (constant, forest):
        said += f"; {WORDS[kinds[top]]} the best baseline, {_plain(top)}"
    label = METRICS[found.metric].label
    return Verdict(kind, mark, f"{name} on {found.n} samples of {found.groups} groups, by {label}: {said}.")


def _plain(model: str) -> str:
    return model.replace("_", " ")
