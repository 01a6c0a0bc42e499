"""Sections about what was learned: the landscape, predictions of host variables, generated communities."""

import json
from pathlib import Path

import pandas as pd

from taxoscape.report import figures
from taxoscape.report.cells import interval
from taxoscape.report.parts import Figure, Section, Table, drawn, stored

PREVIEWS = {
    "taxa": "The map of taxa: every dot is one ASV in a cell of its own, relatives lie together.",
    "channels": "What the taxa at each place can do: how their genes in each channel differ from the community's.",
    "samples": "Sample landscapes, all channels together: the same taxon stands in the same place in every picture.",
    "difference": "Mean difference between two groups of samples on the landscape.",
    "noise": "How far a community computed back from an image is off when every pixel has noise.",
}
EMBEDDING = {
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "mean_error": "mean error, as a share of the mean distance",
    "mean_relative_error": "mean relative error",
    "within_10": "share of distances within 10 %",
    "within_5": "share of distances within 5 %",
    "worst_ratio": "worst ratio",
    "recall_10nn": "ten nearest neighbours kept, share",
    "depth_radius": "correlation of depth with radius",
}
EMBEDDED = {
    "relative": "so that distances between them equal distances along the tree",
    "edges": "by the lengths of its branches alone, a loss that does not aim at distances between tips",
}
ATTRIBUTION = (
    "what AAM's predictions rest on. An ASV's change is the prediction with it minus the one with it hidden, as a mean "
    "over held-out samples: red raises the prediction, blue lowers it. It says what the model uses, not what causes it."
)
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


def embedding(files: dict, config: dict) -> Section:
    """How well hyperbolic distances reproduce the tree's, beside a Euclidean embedding."""
    quality = json.loads(Path(files["embedding_quality"]).read_text())
    euclidean = quality["euclidean"]
    section = Section(
        "embedding",
        "Embedding of the tree",
        f"The tree's {quality['tips']:,} tips were placed in a {config['embedding']['dim']}-dimensional hyperbolic "
        f"ball {EMBEDDED[quality['loss']]}.",
    )
    section.tables = [
        Table(
            "Distances between tips, embedded against the tree's; the Euclidean embedding of the same dimension beside",
            pd.DataFrame(
                [[label, quality[key], euclidean[key]] for key, label in EMBEDDING.items()],
                columns=["measure", "hyperbolic", "Euclidean"],
            ),
        )
    ]
    return section


def landscape(files: dict, config: dict) -> Section:
    """Map of taxa, images of samples, and how exactly they turn back into communities."""
    quality = json.loads(Path(files["images_quality"]).read_text())
    section = Section(
        "images",
        "Landscapes",
        f"Every sample is an image of {config['images']['size']} x {config['images']['size']} pixels and 16 channels, "
        "from which the community is computed back exactly.",
    )
    section.links = [("../images/gallery.html", "Gallery: every sample, time courses and groups to explore")]
    previews = {Path(path).stem: path for path in files["previews"]}
    if json.loads(Path(files["functions_quality"]).read_text())["method"] == "none":
        del previews["channels"]
    section.figures = [stored(previews[name], caption) for name, caption in PREVIEWS.items() if name in previews]
    rows = [[key.replace("_", " "), value] for key, value in quality.items() if isinstance(value, int | float | str)]
    section.tables = [Table("Images", pd.DataFrame(rows, columns=["what", "value"]))]
    return section


def predictions(files: dict, config: dict) -> Section:
    """Every target beside its baselines, with intervals and a verdict in plain words."""
    section = Section(
        "aam",
        "Predictions of host variables",
        "Each sample was predicted by a model that saw no sample of its group. Intervals are 95 % bootstrap intervals "
        "over groups; a difference counts only when its interval leaves out zero.",
    )
    for target, path in files["metrics"].items():
        found = json.loads(Path(path).read_text())
        section.notes.append(f"{target}: {found['verdict']}")
        section.tables += [
            Table(f"{target}: models on the same folds ({_size(found)})", models_table(found["models"])),
            Table(f"{target}: AAM minus baseline", paired_table(found)),
        ]
        section.tables.append(stack_table(target, found))
        if "unseen" in found:
            section.tables.append(unseen_table(target, found["unseen"]))
        section.figures += prediction_figures(found, files["prediction_plots"][target])
        section.figures.append(stored(files["attribution_plots"][target], f"{target}: {ATTRIBUTION}"))
    return section


def models_table(models: dict) -> pd.DataFrame:
    """One row a model, one column a metric, values with intervals."""
    metrics = [name for name in METRICS if any(name in entries for entries in models.values())]
    rows = [
        [name.replace("_", " "), *(interval(entries.get(key)) for key in metrics)] for name, entries in models.items()
    ]
    return pd.DataFrame(rows, columns=["model", *(METRICS[key] for key in metrics)])


def stack_table(target: str, found: dict) -> Table:
    """The mean of AAM's and the forest's predictions, and its difference to each."""
    rows = [["itself", interval(found["stack"]["model"][found["metric"]])]]
    for name, entry in found["stack"]["paired"].items():
        entry = {"value": entry["difference"], "low": entry["low"], "high": entry["high"]}
        rows.append([f"minus {name.replace('_', ' ')}", interval(entry)])
    caption = f"{target}: the mean of AAM's and the random forest's predictions, which is no AAM"
    return Table(caption, pd.DataFrame(rows, columns=["", METRICS[found["metric"]]]))


def unseen_table(target: str, found: dict) -> Table:
    """The models' headline metric on the samples with most reads in ASVs that no training sample has."""
    return Table(
        f"{target}: the {found['n']} samples ({found['groups']} groups) with most reads in ASVs that no training "
        f"sample has, at least {found['share_of_reads']:.1%}",
        models_table(found["models"]),
    )


def paired_table(found: dict) -> pd.DataFrame:
    """AAM's metric minus each baseline's, resampling the same groups for both."""
    rows = []
    for name, entry in found["paired"].items():
        entry = {"value": entry["difference"], "low": entry["low"], "high": entry["high"]}
        rows.append([name.replace("_", " "), interval(entry)])
    return pd.DataFrame(rows, columns=["baseline", f"difference in {METRICS[found['metric']]}"])


def prediction_figures(found: dict, plot: str) -> list[Figure]:
    """Stored plot of predictions, and the models' headline metric as dots with intervals."""
    metric = found["metric"]
    values = pd.DataFrame({name: entries[metric] for name, entries in found["models"].items()}).T
    better = "lower is better" if metric == "mae" else "higher is better"
    unit = f" in {found['unit']}" if found.get("unit") and metric == "mae" else ""
    dots = figures.model_intervals(values, f"{METRICS[metric]}{unit}, {better}")
    return [
        stored(plot, f"{found['target']}: out-of-fold predictions against the truth."),
        drawn(dots, f"{found['target']}: AAM (red) beside the baselines on the same folds, with 95 % intervals."),
    ]


def phenotype(files: dict, config: dict) -> Section:
    """Every regression target as a distribution: errors, CRPS and coverage beside the baselines."""
    section = Section(
        "phenotype",
        "Distributions of host variables",
        f"For each sample {config['phenotype']['draws']} values were drawn from a diffusion model that saw no sample "
        "of its group; their mean is the prediction, their spread says how sure it is. CRPS is the error of a whole "
        "distribution, in the unit of the variable, lower is better. Intervals are 95 % bootstrap intervals over "
        "groups; a difference counts only when its interval leaves out zero.",
    )
    for target, path in files["phenotype"].items():
        found = json.loads(Path(path).read_text())
        section.notes.append(f"{target}: {found['verdict']}")
        section.tables += [
            Table(f"{target}: models on the same folds ({_size(found)})", models_table(found["models"])),
            Table(f"{target}: diffusion minus baseline", differences_table(found["paired"])),
        ]
        section.figures += [
            stored(
                files["calibration_plots"][target],
                f"{target}: how often intervals hold the truth, and whether the truth falls evenly among the draws.",
            ),
            stored(
                files["phenotype_plots"][target],
                f"{target}: means of the draws with one standard deviation (dark) "
                "and the 90 % interval (light) against the truth.",
            ),
        ]
    return section


def differences_table(paired: dict) -> pd.DataFrame:
    """Each of our metrics minus each baseline's, resampling the same groups for both."""
    rows = [[name.replace("_", " "), *map(interval, entries.values())] for name, entries in paired.items()]
    named = [f"difference in {METRICS[metric]}" for metric in next(iter(paired.values()))]
    return pd.DataFrame(rows, columns=["baseline", *named])


def generation(files: dict, config: dict) -> Section:
    """Generated communities beside resampling and a copula."""
    found = json.loads(Path(files["generation"]).read_text())
    section = Section(
        "diffusion",
        "Generated communities",
        f"{found['n_generated']} communities were generated for the conditions of {found['n_real']} held-out samples "
        "and compared with these. An area under the curve of 0.5 means that a classifier cannot tell them apart.",
    )
    section.notes.append(found["verdict"])
    metrics = list(dict.fromkeys(key for entries in found["models"].values() for key in entries))
    rows = [[name, *(interval(entries.get(key)) for key in metrics)] for name, entries in found["models"].items()]
    columns = ["generator", *(key.replace("_", " ") for key in metrics)]
    section.tables = [Table("Generators against held-out samples", pd.DataFrame(rows, columns=columns))]
    section.tables += [utility_table(field, entry) for field, entry in found["utility"].items()]
    section.figures = [stored(path, caption) for path, caption in files["generation_plots"].items()]
    return section


def utility_table(field: str, found: dict) -> Table:
    """Forests that learned a condition from real and from generated samples, on held-out ones."""
    table = models_table(found["models"]).rename(columns={"model": "learned from"})
    caption = (
        f"{field}: a random forest that learned it from {found['learned_from']} samples of each source, on "
        f"{found['n']} held-out ones. Generated samples that carry what {field} does to communities teach as much as "
        "the training samples do"
    )
    return Table(caption, table)


def _size(found: dict) -> str:
    repeats = f" in {found['repeats']} repeats" if found["repeats"] > 1 else ""
    return f"{found['n']} samples of {found['groups']} groups, {found['folds']} folds{repeats}"
