"""What may be said of a model: better, level or worse by the interval of a paired difference, or too few to say."""

from taxoscape.scoring.results import METRICS, Interval

FEW_GROUPS = 10  # below it an interval from resampled groups says little
FEW_SAMPLES = 30  # below it predictions are not judged
SAID = {"better": "better than", "level": "not distinguishable from", "worse": "worse than"}


def outcome(difference: Interval, metric: str) -> str:
    """Whether the judged model is better, level or worse, by its difference to another in a metric.

    Level where the interval holds zero or is unknown, and for metrics that are neither best high nor best low.
    """
    low_is_good = METRICS[metric].low_is_good
    if low_is_good is None or not (difference["low"] > 0 or difference["high"] < 0):
        return "level"
    return "better" if (difference["high"] < 0) == low_is_good else "worse"
