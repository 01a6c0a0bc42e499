"""What metrics.json holds, the same for every learned stage: comparisons of models on the same samples, and a verdict.

A figure with its 95 % interval is `{"value": , "low": , "high": }`. A difference is the judged model minus another.
"""

from dataclasses import asdict, dataclass, field
from math import nan
from pathlib import Path

from taxoscape.files import read_json, write_json

Interval = dict[str, float]  # value, low, high


@dataclass(frozen=True)
class Measure:
    """A metric: its name for readers, whether a low value is good (None: neither), and the best value where known."""

    label: str
    low_is_good: bool | None = None
    ideal: float | None = None


METRICS = {
    "mae": Measure("mean absolute error", True),
    "r2": Measure("R2", False),
    "crps": Measure("CRPS", True),
    "coverage_50": Measure("truths in the 50 % interval", ideal=0.5),
    "coverage_90": Measure("truths in the 90 % interval", ideal=0.9),
    "accuracy": Measure("accuracy", False),
    "auc": Measure("area under the curve", False),
    "balanced_accuracy": Measure("balanced accuracy", False),
    "macro_f1": Measure("macro F1", False),
    "aitchison": Measure("Aitchison error", True),
    "bray_curtis": Measure("Bray-Curtis error", True),
    "two_sample_auc": Measure("AUC of a classifier, generated or real", True, ideal=0.5),
    "two_sample_auc_given_conditions": Measure("AUC of a classifier that sees the conditions", True, ideal=0.5),
    "nearer_to_training": Measure("share nearer to a training than to a held-out sample", True, ideal=0.5),
    "copying": Measure("copying, from 0 (a fresh draw) to 1 (a copier)", True, ideal=0.0),
    "prevalence_correlation": Measure("correlation of prevalences", False, ideal=1.0),
    "abundance_correlation": Measure("correlation of mean abundances", False, ideal=1.0),
    "sparsity_difference": Measure("share of zeros, generated minus real", ideal=0.0),
    "shannon_ks": Measure("Shannon index, KS distance", True, ideal=0.0),
    "richness_ks": Measure("number of taxa, KS distance", True, ideal=0.0),
    "energy_distance": Measure("Bray-Curtis energy distance", True, ideal=0.0),
}


@dataclass(frozen=True)
class Comparison:
    """Models on the same samples of the same groups."""

    name: str  # what the samples are: all samples, next sample, ...
    judged: str  # the model that is judged
    metric: str  # the headline, a key of METRICS
    n: int  # samples
    groups: int  # independent ones: subjects
    models: dict[str, dict[str, Interval]]  # model -> metric -> figure
    differences: dict[str, dict[str, Interval]]  # other model -> metric -> judged minus other

    @property
    def metrics(self) -> list[str]:
        """Metrics that any model has, in the order of METRICS."""
        return [key for key in METRICS if any(key in found for found in self.models.values())]


@dataclass(frozen=True)
class Verdict:
    """What may be said: kind better | level | worse | open (too little to judge by), a few words, and a sentence."""

    kind: str
    mark: str
    text: str


@dataclass(frozen=True)
class Results:
    """All of metrics.json."""

    stage: str
    target: str
    type: str  # regression | classification | communities | forecasts
    unit: str
    comparisons: list[Comparison]  # the first is the main one
    verdict: Verdict
    details: dict = field(default_factory=dict)  # further figures of the stage: folds, repeats, calibration, ...

    @property
    def main(self) -> Comparison:
        return self.comparisons[0]


def write_results(results: Results, path: str | Path) -> None:
    """Write metrics.json."""
    write_json(asdict(results), path)


def read_results(path: str | Path) -> Results:
    """Read metrics.json as this version writes it; figures that are not defined (null) are NaN again."""
    found = read_json(path)
    comparisons = [
        Comparison(**entry | {side: _numbers(entry[side]) for side in ("models", "differences")})
        for entry in found["comparisons"]
    ]
    return Results(**found | {"comparisons": comparisons, "verdict": Verdict(**found["verdict"])})


def _numbers(figures: dict[str, dict]) -> dict[str, dict[str, Interval]]:
    return {
        model: {key: {side: nan if end is None else end for side, end in ends.items()} for key, ends in found.items()}
        for model, found in figures.items()
    }
