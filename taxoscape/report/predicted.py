"""Sections about predictions of host variables, as points and as distributions, next to the baselines."""

import pandas as pd

from taxoscape.report import figures
from taxoscape.report.cells import model_name
from taxoscape.report.compared import INTERVALS_NOTE, coverage_checks, models_table, size, verdict
from taxoscape.report.parts import Check, Figure, Section, drawn, stored
from taxoscape.scoring.results import METRICS, Results, read_results

WITHIN = 0.05  # difference of a coverage from what was promised that passes


def predictions(files: dict, config: dict) -> Section:
    """Every target next to its baselines, with intervals and a verdict in plain words."""
    section = Section(
        "aam",
        "Predictions of host variables",
        f"Each sample was predicted by a model that saw no sample of its group. {INTERVALS_NOTE}",
    )
    for target, path in files["metrics"].items():
        results = read_results(path)
        main, *others = results.comparisons
        section.verdicts.append(verdict(results, "aam", target))
        section.facts.append((f"Came in, {target}", f"{size(main, results.details)}."))
        section.checks += interval_check(results)
        section.tables.append(
            models_table(main, f"{target}: models on the same folds ({size(main, results.details)})", False)
        )
        section.tables += [models_table(part, f"{target}: {part.name} ({size(part, {})})", True) for part in others]
        section.figures += prediction_figures(results, files["prediction_plots"][target])
        section.folded.append(stored(files["attribution_plots"][target], "attribution", target))
    return section


def prediction_figures(results: Results, plot: str) -> list[Figure]:
    """Stored plot of predictions, and the models' headline metric as dots with intervals."""
    main, measure = results.main, METRICS[results.main.metric]
    values = pd.DataFrame({model_name(name): entries[main.metric] for name, entries in main.models.items()}).T
    unit = f" in {results.unit}" if results.unit and measure.low_is_good else ""
    label = f"{measure.label}{unit}, {'lower' if measure.low_is_good else 'higher'} is better"
    dots = figures.model_intervals(values, model_name(main.judged), label)
    return [stored(plot, "predictions", results.target), drawn(dots, "models", results.target)]


def interval_check(results: Results) -> list[Check]:
    """Whether prediction intervals hold as many truths as they promise, within five percentage points."""
    cover = results.details.get("interval")
    if not cover:
        return []
    what = f"{results.target}: truths inside the {cover['nominal']:.0%} prediction intervals"
    good = abs(cover["covered"] - cover["nominal"]) <= WITHIN
    return [Check(what, f"{cover['covered']:.0%}", f"{cover['nominal']:.0%}, give or take 5 points", good)]


def phenotype(files: dict, config: dict) -> Section:
    """Every regression target as a distribution: errors, CRPS and coverage next to the baselines."""
    section = Section(
        "phenotype",
        "Distributions of host variables",
        f"For each sample {config['phenotype']['draws']} values were drawn from a diffusion model that saw no sample "
        "of its group; their mean is the prediction, their spread says how sure it is. CRPS is the error of a whole "
        f"distribution, in the unit of the variable, lower is better. {INTERVALS_NOTE}",
    )
    for target, path in files["phenotype"].items():
        results = read_results(path)
        sized = size(results.main, results.details)
        section.verdicts.append(verdict(results, "phenotype", f"{target}, as a distribution"))
        section.facts.append((f"Came in, {target}", f"{sized}."))
        section.checks += coverage_checks(results.main, target)
        section.tables.append(models_table(results.main, f"{target}: models on the same folds ({sized})", False))
        section.figures += [
            stored(files["calibration_plots"][target], "calibration", target),
            stored(files["phenotype_plots"][target], "distributions", target),
        ]
    return section
