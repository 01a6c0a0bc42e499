"""What the sections of all learned stages show of their results: size, verdict, tables, checks of coverage."""

import pandas as pd

from taxoscape.report.cells import count, interval, model_name, percent_interval
from taxoscape.report.parts import Check, Table, Verdict
from taxoscape.scoring.distributions import INTERVALS
from taxoscape.scoring.results import METRICS, Comparison, Results
from taxoscape.scoring.verdicts import outcome

LEADS = {"aam": "AAM", "stack": "the mean", "training": "training"}
INTERVALS_NOTE = (
    "Intervals are 95 % bootstrap intervals over groups; a difference counts only when its interval leaves out zero."
)


def size(part: Comparison, details: dict) -> str:
    """Samples, groups, folds and repeats that models were compared on."""
    text = f"{count(part.n, 'sample')} of {count(part.groups, 'group')}"
    if "folds" in details:
        text += f", {count(details['folds'], 'fold')}"
    return f"{text} in {details['repeats']} repeats" if details.get("repeats", 1) > 1 else text


def verdict(results: Results, section: str, about: str, short: str = "") -> Verdict:
    """The stage's own verdict as a part of the page."""
    return Verdict(about, section, results.verdict.mark, results.verdict.kind, results.verdict.text, short)


def models_table(part: Comparison, caption: str, folded: bool | None = None) -> Table:
    """One row a model: the headline, what the judged model's is minus it and what that amounts to, other metrics."""
    lead = LEADS.get(part.judged, part.judged)
    others = [key for key in part.metrics if key != part.metric]
    rows = [
        [
            model_name(name),
            interval(entries.get(part.metric)),
            *difference_cells(part, name),
            *(interval(entries.get(key)) for key in others),
        ]
        for name, entries in part.models.items()
    ]
    columns = ["model", METRICS[part.metric].label, f"{lead} minus it", f"{lead} is"]
    columns += [METRICS[key].label for key in others]
    side = "below" if METRICS[part.metric].low_is_good else "above"
    caption = f"{caption}. In the difference, {side} 0 means that {lead} is better"
    return Table(caption, pd.DataFrame(rows, columns=columns), folded=folded)


def metrics_table(part: Comparison, caption: str) -> Table:
    """One row a metric with its best value, one column a model."""
    rows = [
        [
            METRICS[key].label,
            "" if METRICS[key].ideal is None else f"{METRICS[key].ideal:g}",
            *(interval(entries.get(key)) for entries in part.models.values()),
        ]
        for key in part.metrics
    ]
    return Table(caption, pd.DataFrame(rows, columns=["metric", "best value", *map(model_name, part.models)]))


def difference_cells(part: Comparison, name: str) -> list[str]:
    """Cells on the difference to a model by the headline: value with interval, and better, level or worse."""
    gap = part.differences.get(name, {}).get(part.metric)
    return [interval(gap), outcome(gap, part.metric)] if gap else ["", ""]


def coverage_checks(part: Comparison, about: str, passes: dict[str, tuple[float, float]] | None = None) -> list[Check]:
    """Whether the judged model's intervals hold the share of truths that they promise.

    The share must lie within `passes`; without them, its own interval must hold the promised share.
    """
    checks = []
    for key, share in INTERVALS.items():
        entry = part.models[part.judged].get(key)
        if not entry:
            continue
        if passes:
            low, high = passes[key]
            threshold, good = f"{low:.0%} to {high:.0%}", low <= entry["value"] <= high
        else:
            threshold, good = f"its interval holds {share:.0%}", entry["low"] <= share <= entry["high"]
        checks.append(Check(f"{about}: {METRICS[key].label}", percent_interval(entry), threshold, good))
    return checks
