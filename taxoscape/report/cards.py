"""Model cards: one page of Markdown next to every trained model (Mitchell et al. 2019, doi:10.1145/3287560.3287596).

What it is, what it was trained on and how that was split, its figures next to the baselines', what it must not be used
for, and what it takes to make it again.
"""

import hashlib
import platform
from dataclasses import dataclass
from importlib import metadata as packages
from pathlib import Path

import taxoscape
from taxoscape.metadata import read_design
from taxoscape.report.cells import interval, model_name
from taxoscape.scoring.results import METRICS, Comparison, Results

PACKAGES = ("torch", "numpy", "pandas")


@dataclass(frozen=True)
class Kind:
    """What a kind of model does, is meant for, and must not be taken for."""

    what: str
    use: str
    limits: tuple[str, ...] = ()


SAME_DESIGN = "Samples of hosts whom it has not seen, of the same study design."
GENERATES = (
    "Planning, teaching, testing of methods. Generated samples add no information to a study: nothing is more certain "
    "for being drawn more often.",
    (
        "Taxa that no training sample has are never generated, and conditions far from those of training are guesses.",
        "Copying of 0 is that of a fresh draw and 1 that of a copier of training samples; well above 0 they must not "
        "be handed out as if they belonged to no subject.",
    ),
)
KINDS = {
    "aam": Kind(
        "predicts a host variable from the reads per ASV and their sequences (attention over a sample's ASVs)",
        SAME_DESIGN,
    ),
    "phenotype": Kind("draws values of a host variable for a sample: a distribution in place of a point", SAME_DESIGN),
    "diffusion": Kind("generates communities for given conditions, as counts at the rarefied depth", *GENERATES),
    "copula": Kind(
        "generates communities for given conditions (Gaussian copula), as counts at the rarefied depth", *GENERATES
    ),
    "forecast": Kind(
        "draws a subject's later communities from its earlier ones, with and without planned interventions",
        "Samples to come of hosts whom it has not seen, within the times ahead that it was judged at, of the same "
        "study design.",
        (
            "With and without an intervention is a comparison of what the model expects after what was observed in "
            "this study; treatments were not randomised, and the difference is not the effect of a treatment.",
            "Its figures hold for the times ahead that the tables name, and for no others.",
        ),
    ),
}
LIMITS = (
    "It has learned one study: its primers, region, sequencing, denoising and hosts. Elsewhere it must be judged anew.",
    "It shows associations, not causes, and nothing that it says of a host is a diagnosis.",
)


def card(kind: str, results: Results, data: list[str], config: dict, models: list[str]) -> str:
    """Card of the files of a kind of model, from its results and what is to be said of its `data`."""
    files = [f"| `{Path(path).name}` of `{Path(path).parent}` | `{digest(path)}` |" for path in models]
    versions = [f"taxoscape {taxoscape.__version__}", f"Python {platform.python_version()}"]
    versions += [f"{name} {packages.version(name)}" for name in PACKAGES]
    parts = [
        f"# {kind}: {results.target}",
        f"This model {KINDS[kind].what}.",
        "## Meant for",
        KINDS[kind].use,
        "## Data and splits",
        *data,
        "## Figures, on held-out samples",
        "Values with 95 % intervals by bootstrap over groups, next to the baselines on the same samples.",
        *(f"{part.name[0].upper()}{part.name[1:]}:\n\n{_table(part)}" for part in results.comparisons),
        results.verdict.text,
        "## Limits",
        "\n".join(f"* {limit}" for limit in (*KINDS[kind].limits, *LIMITS)),
        "## To make it again",
        f"`seed: {config['seed']}`, {', '.join(versions)}. Settings and the versions of the programs before it are in "
        "`results/report/report.html`.",
        "\n".join(["| file | SHA-256 |", "|---|---|", *files]),
    ]
    return "\n\n".join(parts) + "\n"


def predictor_data(results: Results, config: dict, design: str | Path) -> list[str]:
    """What the models of a target were trained and judged on."""
    table = read_design(design)
    known = table[results.target].notna()
    groups, repeats = config["metadata"]["group"], results.details["repeats"]
    together = f"samples that share {' and '.join(groups)} stay together" if groups else "every sample on its own"
    again = f", dealt {repeats} times" if repeats > 1 else ""
    return [
        f"{known.sum():,} samples with a known {results.target}, of {table.loc[known, 'group'].nunique():,} groups, "
        f"{config['rarefy']['depth']} reads drawn of each.",
        f"{config['metadata']['folds']} folds{again}; {together}. The model of a fold has seen none of its test "
        "samples; which samples it has seen is stored in it.",
    ]


def generator_data(results: Results, quality: dict) -> list[str]:
    """What the generator was trained and judged on."""
    return [
        f"{quality['training_samples']:,} training samples, {quality['validation_samples']:,} that stopped training, "
        f"{results.main.n:,} held-out ones of {results.main.groups:,} groups to judge by; {quality['taxa']:,} taxa.",
        f"Conditions: {', '.join(quality['fields']) or 'none'}.",
    ]


def forecast_data(results: Results, config: dict, quality: dict) -> list[str]:
    """What the forecasters of all folds were trained and judged on."""
    trained = [fold["training_subjects"] for fold in quality["folds"].values()]
    stopped = [fold["held_out_subjects"] for fold in quality["folds"].values()]
    planned = ", ".join(config["forecast"]["interventions"]) or "none"
    return [
        f"{quality['samples']:,} samples of {quality['subjects']:,} subjects, {quality['taxa']:,} taxa; "
        f"{results.details['tasks']:,} later samples of {results.details['subjects']:,} subjects to judge by.",
        f"{len(trained)} folds by subject: a fold's forecaster was trained on {_range(trained)} subjects, stopped and "
        f"calibrated by {_range(stopped)} others, and has seen no sample of the subjects that it is judged on.",
        f"Planned interventions: {planned}.",
    ]


def digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _table(part: Comparison) -> str:
    """Models in rows, metrics in columns, as Markdown."""
    keys = part.metrics
    rows = [["model", *(METRICS[key].label for key in keys)], ["---"] * (len(keys) + 1)]
    rows += [[model_name(name), *(interval(entries.get(key)) for key in keys)] for name, entries in part.models.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
