"""Sections about predictions of host variables, as points and as distributions, beside the baselines."""

import json
from pathlib import Path

import pandas as pd

from taxoscape.report import figures
from taxoscape.report.cells import interval, percent_interval
from taxoscape.report.parts import Check, Figure, Section, Table, Verdict, drawn, stored
from taxoscape.scoring.metrics import outcome

METRICS = {
    "mae": "mean absolute error",
    "r2": "R2",
    "crps": "CRPS",
    "cover50": "truths in the 50 % interval",
    "cover90": "truths in the 90 % interval",
    "accuracy": "accuracy",
    "auc": "area under the curve",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
}
MODELS = {
    "aam": "attention model (AAM)",
    "stack": "mean of AAM and random forest",
    "diffusion": "phenotype diffusion",
    "forest_on_pcoa": "forest on UniFrac PCoA",
    "kernel_ridge": "kernel ridge on UniFrac",
    "kernel_logistic": "kernel logistic on UniFrac",
}
# How a model stands to a baseline, by the interval of the paired difference.
KINDS = {"better than": "better", "not distinguishable from": "level", "worse than": "worse"}
SAID = {"better": "better than", "level": "level with", "worse": "worse than"}
INTERVALS = (
    "Intervals are 95 % bootstrap intervals over groups; a difference counts only when its interval leaves out zero."
)


def predictions(files: dict, config: dict) -> Section:
    """Every target beside its baselines, with intervals and a verdict in plain words."""
    section = Section(
        "aam",
        "Predictions of host variables",
        f"Each sample was predicted by a model that saw no sample of its group. {INTERVALS}",
    )
    for target, path in files["metrics"].items():
        found = json.loads(Path(path).read_text())
        section.verdicts.append(verdict(found, "aam", target))
        section.facts.append((f"Came in, {target}", f"{size(found)}."))
        section.checks += interval_check(found)
        section.tables += [models_table(found), *unseen_table(found)]
        section.figures += prediction_figures(found, files["prediction_plots"][target])
        section.folded.append(stored(files["attribution_plots"][target], "attribution", target))
    return section


def verdict(found: dict, section: str, about: str) -> Verdict:
    """How the model stands to guessing and to the random forest, in marks and in the stage's own sentence."""
    constant = "majority" if "majority" in found["paired"] else "mean"
    against, forest = (_kind(found, name) for name in (constant, _forest(found)))
    if "too few" in found["verdict"]:
        return Verdict(about, section, "too few samples", "open", found["verdict"])
    if against != "better":
        return Verdict(about, section, "no signal beyond guessing", "worse", found["verdict"])
    return Verdict(about, section, f"signal; {SAID[forest]} the forest", forest, found["verdict"])


def models_table(found: dict) -> Table:
    """One row a model: its metrics with intervals, and our model's headline metric minus its."""
    models, differences = dict(found["models"]), dict(found["paired"])
    if "stack" in found:
        models["stack"] = found["stack"]["model"]
        own = found["stack"]["paired"]["aam"]
        differences["stack"] = own | {"difference": -own["difference"], "low": -own["high"], "high": -own["low"]}
    others = [
        name for name in METRICS if name != found["metric"] and any(name in entries for entries in models.values())
    ]
    rows = [
        [
            model_name(name),
            interval(entries.get(found["metric"])),
            *_against(found, differences.get(name)),
            *(interval(entries.get(key)) for key in others),
        ]
        for name, entries in models.items()
    ]
    lead = "AAM" if "aam" in found["models"] else "diffusion"
    better = "below 0" if found["metric"] in ("mae", "crps") else "above 0"
    headline = METRICS[found["metric"]]
    columns = ["model", headline, f"{lead} minus it", f"{lead} is", *(METRICS[key] for key in others)]
    return Table(
        f"{found['target']}: models on the same folds ({size(found)}). In the difference, {better} means that {lead} "
        "is better",
        pd.DataFrame(rows, columns=columns),
        folded=False,
    )


def unseen_table(found: dict) -> list[Table]:
    """The models' metrics on the samples with most reads in ASVs that no training sample has, where there are such."""
    if "unseen" not in found:
        return []
    unseen = found["unseen"]
    metrics = [name for name in METRICS if any(name in entries for entries in unseen["models"].values())]
    rows = [
        [model_name(name), *(interval(entries.get(key)) for key in metrics)]
        for name, entries in unseen["models"].items()
    ]
    caption = (
        f"{found['target']}: the {unseen['n']} samples ({unseen['groups']} groups) with most reads in ASVs that no "
        f"training sample has, at least {unseen['share_of_reads']:.1%}"
    )
    return [Table(caption, pd.DataFrame(rows, columns=["model", *(METRICS[key] for key in metrics)]), folded=True)]


def model_name(name: str) -> str:
    return MODELS.get(name, name.replace("_", " "))


def prediction_figures(found: dict, plot: str) -> list[Figure]:
    """Stored plot of predictions, and the models' headline metric as dots with intervals."""
    metric = found["metric"]
    values = pd.DataFrame({model_name(name): entries[metric] for name, entries in found["models"].items()}).T
    better = "lower is better" if metric == "mae" else "higher is better"
    unit = f" in {found['unit']}" if found.get("unit") and metric == "mae" else ""
    dots = figures.model_intervals(values, model_name("aam"), f"{METRICS[metric]}{unit}, {better}")
    return [stored(plot, "predictions", found["target"]), drawn(dots, "models", found["target"])]


def interval_check(found: dict) -> list[Check]:
    """Whether prediction intervals hold as many truths as they promise, within five percentage points."""
    cover = found.get("coverage")
    if not cover or cover["found"] is None:
        return []
    what = f"{found['target']}: truths inside the {cover['asked']:.0%} prediction intervals"
    return [Check(what, f"{cover['found']:.0%}", f"{cover['asked']:.0%}, give or take 5 points", _held(**cover))]


def phenotype(files: dict, config: dict) -> Section:
    """Every regression target as a distribution: errors, CRPS and coverage beside the baselines."""
    section = Section(
        "phenotype",
        "Distributions of host variables",
        f"For each sample {config['phenotype']['draws']} values were drawn from a diffusion model that saw no sample "
        "of its group; their mean is the prediction, their spread says how sure it is. CRPS is the error of a whole "
        f"distribution, in the unit of the variable, lower is better. {INTERVALS}",
    )
    for target, path in files["phenotype"].items():
        found = json.loads(Path(path).read_text())
        section.verdicts.append(verdict(found, "phenotype", f"{target}, as a distribution"))
        section.facts.append((f"Came in, {target}", f"{size(found)}."))
        section.checks += [_covers(target, found, level) for level in (50, 90)]
        section.tables.append(models_table(found))
        section.figures += [
            stored(files["calibration_plots"][target], "calibration", target),
            stored(files["phenotype_plots"][target], "distributions", target),
        ]
    return section


def size(found: dict) -> str:
    """Samples, groups and folds that a target was judged on."""
    repeats = f" in {found['repeats']} repeats" if found["repeats"] > 1 else ""
    return f"{found['n']} samples of {found['groups']} groups, {found['folds']} folds{repeats}"


def _covers(target: str, found: dict, level: int) -> Check:
    entry = found["models"]["diffusion"][f"cover{level}"]
    good = entry["low"] <= level / 100 <= entry["high"]
    return Check(
        f"{target}: truths in the {level} % interval", percent_interval(entry), f"its interval holds {level}%", good
    )


def _held(asked: float, found: float, **_: object) -> bool:
    return abs(found - asked) <= 0.05


def _forest(found: dict) -> str:
    return "quantile_forest" if found["metric"] == "crps" else "random_forest"


def _difference(entry: dict, metric: str) -> dict:
    """Paired difference as {metric, difference, low, high}, however the stage has written it."""
    if "difference" in entry:
        return entry
    return {"metric": "mae", "difference": entry[metric]["value"]} | {
        key: entry[metric][key] for key in ("low", "high")
    }


def _kind(found: dict, baseline: str) -> str:
    return KINDS[outcome(_difference(found["paired"][baseline], found["metric"]))]


def _against(found: dict, entry: dict | None) -> list[str]:
    """Cells on the difference to a model: value with interval, and what it amounts to."""
    if entry is None:
        return ["", ""]
    entry = _difference(entry, found["metric"])
    shown = interval({"value": entry["difference"], "low": entry["low"], "high": entry["high"]})
    return [shown, KINDS[outcome(entry)]]
