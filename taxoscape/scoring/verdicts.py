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


def best(part: Comparison, names: Sequence[str], metric: str | None = None) -> str:
    """Name of the best model among `names` by a metric (the headline): the same samples choose and flatter it."""
    metric = metric or part.metric
    sign = 1 if METRICS[metric].low_is_good else -1
    return min(names, key=lambda name: sign * part.models[name][metric]["value"])


def judge_predictor(part: Comparison, name: str, baselines: Sequence[str], forest: str) -> Verdict:
    """Say how a predictor compares with the constant one, with a forest and with the best baseline, by the headline."""
    if part.n < FEW_SAMPLES or part.groups < FEW_GROUPS:
        text = (
            f"{part.n} samples of {part.groups} groups are too few to learn from or to judge by: the figures are "
            "displayed with their intervals, and say nothing about other samples."
        )
        return Verdict("open", "too few samples", text)
    constant = next(model for model in CONSTANTS if model in baselines)
    kinds = {model: outcome(part.differences[model][part.metric], part.metric) for model in baselines}
    kind, mark = kinds[forest], MARKS[kinds[forest]]
    if kinds[constant] == "better":
        sentence = f"better than the {constant} predictor and {WORDS[kind]} the {_plain(forest)}"
    else:
        more = f", where the {_plain(forest)} finds more" if kind == "worse" else ""
        level = f"no signal beyond the {constant} predictor{more}"
        sentence = level if kinds[constant] == "level" else f"worse than the {constant} predictor"
        kind, mark = "worse", "no signal beyond guessing"
    top = best(part, baselines)
    if top not in (constant, forest):
        sentence += f"; {WORDS[kinds[top]]} the best baseline, {_plain(top)}"
    label = METRICS[part.metric].label
    return Verdict(kind, mark, f"{name} on {part.n} samples of {part.groups} groups, by {label}: {sentence}.")


def _plain(model: str) -> str:
    return model.replace("_", " ")
