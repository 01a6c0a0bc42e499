"""Model cards: one page of Markdown beside every trained model (Mitchell et al. 2019, doi:10.1145/3287560.3287596).

What it is, what it was trained on and how that was split, its figures beside the baselines', what it must not be used
for, and what it takes to make it again.
"""

import hashlib
import platform
from importlib import metadata as packages
from pathlib import Path

import pandas as pd

import taxoscape
from taxoscape.metadata import read_design
from taxoscape.report.cells import interval

PACKAGES = ("torch", "numpy", "pandas")
LIMITS = (
    "It has learned one study: its primers, region, sequencing, denoising and hosts. Elsewhere it must be judged anew.",
    "It shows associations, not causes, and nothing that it says of a host is a diagnosis.",
)
OF_KIND = {
    "aam": "predicts a host variable from the reads per ASV and their sequences (attention over a sample's ASVs)",
    "phenotype": "draws values of a host variable for a sample: a distribution in place of a point",
    "diffusion": "generates communities for given conditions, as counts at the rarefied depth",
    "copula": "generates communities for given conditions (Gaussian copula), as counts at the rarefied depth",
    "forecast": "draws a subject's later communities from its earlier ones, with and without planned interventions",
}
OF_USE = {
    "predictor": "Samples of hosts whom it has not seen, of the same study design.",
    "generator": "Planning, teaching, testing of methods. Generated samples add no information to a study: nothing is "
    "more certain for being drawn more often.",
    "forecaster": "Samples to come of hosts whom it has not seen, within the times ahead that it was judged at, of the "
    "same study design.",
}


def predictor_card(kind: str, config: dict, found: dict, design: str | Path, models: list[str]) -> str:
    """Card of the models of all folds of a target, from its metrics.json (`found`)."""
    table = read_design(design)
    known = table[found["target"]].notna()
    groups = config["metadata"]["group"]
    together = f"samples that share {' and '.join(groups)} stay together" if groups else "every sample on its own"
    repeats = f", dealt {found['repeats']} times" if found.get("repeats", 1) > 1 else ""
    data = [
        f"{known.sum():,} samples with a known {found['target']}, of {table.loc[known, 'group'].nunique():,} groups, "
        f"{config['rarefy']['depth']} reads drawn of each.",
        f"{config['metadata']['folds']} folds{repeats}; {together}. The model of a fold has seen none of its test "
        "samples; which samples it has seen is stored in it.",
    ]
    return _card(
        f"{kind}: {found['target']}",
        OF_KIND[kind],
        OF_USE["predictor"],
        data,
        found["verdict"],
        _table(found["models"]),
        [],
        config,
        models,
    )


def generator_card(config: dict, quality: dict, found: dict, model: str) -> str:
    """Card of the generator, from quality.json and generation.json (`found`)."""
    kind = "copula" if quality["model"] == "copula" else "diffusion"
    data = [
        f"{quality['training_samples']:,} training samples, {quality['validation_samples']:,} that stopped training, "
        f"{found['n_real']:,} held-out ones of {found['groups']:,} groups to judge by; {quality['taxa']:,} taxa.",
        f"Conditions: {', '.join(quality['fields']) or 'none'}.",
    ]
    limits = [
        "Taxa that no training sample has are never generated, and conditions far from those of training are guesses.",
        "`copying` is the share of generated samples nearer to a training than to a held-out one; well above 50 % they "
        "must not be handed out as if they were nobody's.",
    ]
    return _card(
        f"{kind}: communities",
        OF_KIND[kind],
        OF_USE["generator"],
        data,
        found["verdict"],
        _table(found["models"]),
        limits,
        config,
        [model],
    )


def forecast_card(config: dict, quality: dict, found: dict, model: str) -> str:
    """Card of the forecasters of all folds, from quality.json and metrics.json (`found`)."""
    trained = [fold["training_subjects"] for fold in quality["folds"].values()]
    stopped = [fold["held_out_subjects"] for fold in quality["folds"].values()]
    planned = ", ".join(config["forecast"]["interventions"]) or "none"
    data = [
        f"{quality['samples']:,} samples of {quality['subjects']:,} subjects, {quality['taxa']:,} taxa; "
        f"{found['tasks']:,} later samples of {found['subjects']:,} subjects to judge by.",
        f"{len(trained)} folds by subject: a fold's forecaster was trained on {_range(trained)} subjects, stopped and "
        f"calibrated by {_range(stopped)} others, and has seen no sample of the subjects that it is judged on.",
        f"Planned interventions: {planned}.",
    ]
    limits = [
        "With and without an intervention is a comparison of what the model expects after what was observed in this "
        "study; who was treated was not drawn by lot, and the difference is not the effect of a treatment.",
        "Its figures hold for the times ahead that the tables name, and for no others.",
    ]
    tables = [f"{name.capitalize()}:\n\n{_table(entry['models'])}" for name, entry in found["bins"].items()]
    return _card(
        "forecast: communities to come",
        OF_KIND["forecast"],
        OF_USE["forecaster"],
        data,
        found["verdict"],
        "\n\n".join(tables),
        limits,
        config,
        [model],
    )


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _card(
    title: str,
    what: str,
    use: str,
    data: list[str],
    verdict: str,
    table: str,
    limits: list[str],
    config: dict,
    models: list[str],
) -> str:
    files = [f"| `{Path(path).name}` of `{Path(path).parent}` | `{digest(path)}` |" for path in models]
    versions = [f"taxoscape {taxoscape.__version__}", f"Python {platform.python_version()}"]
    versions += [f"{name} {packages.version(name)}" for name in PACKAGES]
    parts = [
        f"# {title}",
        f"This model {what}.",
        "## Meant for",
        use,
        "## Data and splits",
        *data,
        "## Figures, on held-out samples",
        "Values with 95 % intervals by bootstrap over groups, beside the baselines on the same samples.",
        table,
        f"{verdict}",
        "## Limits",
        "\n".join(f"* {limit}" for limit in (*limits, *LIMITS)),
        "## To make it again",
        f"`seed: {config['seed']}`, {', '.join(versions)}. Settings and the versions of the programs before it are in "
        "`results/report/report.html`.",
        "\n".join(["| file | SHA-256 |", "|---|---|", *files]),
    ]
    return "\n\n".join(parts) + "\n"


def digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _table(models: dict[str, dict]) -> str:
    """Models in rows, metrics in columns, as Markdown."""
    metrics = list(dict.fromkeys(metric for entries in models.values() for metric in entries))
    rows = [
        [name.replace("_", " "), *(interval(entries.get(key)) for key in metrics)] for name, entries in models.items()
    ]
    frame = pd.DataFrame(rows, columns=["model", *(name.replace("_", " ") for name in metrics)])
    head = [f"| {' | '.join(frame.columns)} |", f"|{'---|' * len(frame.columns)}"]
    return "\n".join([*head, *(f"| {' | '.join(map(str, row))} |" for row in frame.itertuples(index=False))])
