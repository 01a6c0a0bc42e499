"""Section about the communities: how rich each sample is, how they differ, and what goes with the host variables."""

import pandas as pd

from taxoscape import tables
from taxoscape.report.measured import numbers
from taxoscape.report.parts import Section, Table, stored

METRICS = {
    "unweighted_unifrac": "unweighted UniFrac",
    "weighted_unifrac": "weighted UniFrac",
    "bray_curtis": "Bray-Curtis",
    "aitchison": "Aitchison",
}
FIGURES = {
    "curves": "Rarefaction curves: ASVs expected in so many reads of each sample. A curve that has gone flat by the "
    "line (the depth drawn) has given up most of its ASVs.",
    "alpha": "Diversity within samples, by the fields of the metadata.",
    "ordination": "Principal coordinates by each distance: samples near each other are alike. The share on an axis is "
    "the variation it shows.",
    "differential": "Taxa that differ most, with 95 % intervals: a dot right of the line is more abundant.",
}
SIGNIFICANT = 0.05


def diversity(files: dict, config: dict) -> Section:
    """Curves, diversity within and between samples, PERMANOVA, and taxa that differ."""
    permanova = numbers(tables.read_tsv(files["permanova"], "PERMANOVA"))
    alpha = numbers(tables.read_tsv(files["alpha_tests"], "tests of alpha diversity"))
    section = Section(
        "diversity",
        "Diversity",
        f"{_found(permanova)} Where subjects gave several samples, subjects change places whole or values within them: "
        "free permutation would call almost anything significant.",
    )
    section.figures = [stored(files[name], caption) for name, caption in FIGURES.items() if name in files]
    section.tables = [
        Table("PERMANOVA: share of the variation between samples that goes with a field", permanova_table(permanova)),
        Table("Diversity within samples against the fields", alpha_table(alpha)),
    ]
    if "differential_table" in files:
        taxa = numbers(tables.read_tsv(files["differential_table"], "taxa that differ"))
        section.tables.append(
            Table(
                f"Taxa that go with a field ({config['diversity']['differential']}, q < {SIGNIFICANT:g}), "
                "strongest first",
                differential_table(taxa),
            )
        )
    return section


def permanova_table(tests: pd.DataFrame) -> pd.DataFrame:
    """One row a metric and field, the strongest first."""
    table = tests.assign(metric=tests["metric"].map(METRICS)).sort_values("r2", ascending=False, kind="stable")
    names = {"samples": "samples", "subjects": "subjects", "permuted": "permuted", "r2": "R2", "pseudo_f": "pseudo-F"}
    names |= {"p": "p", "q": "q", "dispersion_p": "p of dispersion", "note": "note"}
    return table[["metric", "field", *names]].rename(columns=names)


def alpha_table(tests: pd.DataFrame) -> pd.DataFrame:
    """One row a measure and field."""
    return tests[["measure", "field", "samples", "subjects", "test", "statistic", "effect", "p", "q", "note"]]


def differential_table(taxa: pd.DataFrame) -> pd.DataFrame:
    """Taxa below the level of significance, by the size of their effect."""
    found = taxa[taxa["q"] < SIGNIFICANT]
    return found.reindex(found["log2_fold_change"].abs().sort_values(ascending=False, kind="stable").index)


def _found(permanova: pd.DataFrame) -> str:
    """Sentence on which fields go with a difference between communities."""
    tested = permanova.dropna(subset=["p"])
    if tested.empty:
        return "No field of the metadata could be tested."
    strong = list(dict.fromkeys(tested.loc[tested["q"] < SIGNIFICANT, "field"]))
    none = [field for field in dict.fromkeys(tested["field"]) if field not in strong]
    said = [f"Communities differ with {', '.join(strong)} (PERMANOVA, q < {SIGNIFICANT:g})."] if strong else []
    said += [f"No difference with {', '.join(none)} was found."] if none else []
    return " ".join(said)
