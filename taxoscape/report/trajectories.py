"""Section about forecasts: errors next to the baselines, whether intervals hold, what-if; or why there are none."""

from taxoscape.forecast.baselines import NAMES
from taxoscape.forecast.check import why_not
from taxoscape.forecast.evaluate import HEADLINE, PASSES
from taxoscape.report.cells import count
from taxoscape.report.compared import coverage_checks, models_table, verdict
from taxoscape.report.parts import Section, stored
from taxoscape.scoring.results import METRICS, Comparison, read_results
from taxoscape.scoring.verdicts import best, outcome

PLOTS = ["forecast_errors", "forecast_coverage", "what_if"]


def forecasts(files: dict, config: dict) -> Section:
    """Every horizon with its models; where the study has no forecasts, the reason."""
    if not files.get("forecast"):
        return Section("forecast", "Forecasts", f"No forecasts were made: {why_not(config)}.")
    results = read_results(files["forecast"])
    tasks, subjects = results.details["tasks"], results.details["subjects"]
    parts = results.comparisons
    sizes = [f"{part.name}: {count(part.n, 'sample')} of {count(part.groups, 'subject')}" for part in parts]
    short = f"{METRICS[HEADLINE].label}: {'; '.join(map(_sentence, parts))}."
    section = Section(
        "forecast",
        "Forecasts",
        f"{count(tasks, 'later sample')} of {count(subjects, 'subject')} were forecast from their earlier ones, by "
        "forecasters that had seen no sample of the subject. Intervals are 95 % bootstrap intervals over subjects; a "
        "difference counts only when its interval leaves out zero.",
        verdicts=[verdict(results, "forecast", "Forecasts", "" if results.verdict.kind == "open" else short)],
    )
    section.facts = [("Judged by", f"{'; '.join(sizes)}.")]
    section.checks = [check for part in parts for check in coverage_checks(part, part.name, PASSES)]
    section.links = [("../forecast/course.html", "One subject's landscape in time, observed and forecast")]
    errors, coverage, *what_if = map(stored, files["forecast_plots"], PLOTS)
    section.figures, section.folded = [errors, *what_if], [coverage]
    section.tables = [
        models_table(part, f"{part.name}: models on the same tasks", folded=place > 0)
        for place, part in enumerate(parts)
    ]
    return section


def _sentence(part: Comparison) -> str:
    """The forecast compared with the best baseline at a horizon: `next sample 3% below persistence (better)`."""
    rival = best(part, NAMES, HEADLINE)
    gap = part.differences[rival][HEADLINE]
    share = gap["value"] / part.models[rival][HEADLINE]["value"]
    return f"{part.name} {abs(share):.0%} {'above' if share > 0 else 'below'} {rival} ({outcome(gap, HEADLINE)})"
