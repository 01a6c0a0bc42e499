"""Section about the communities: how rich each sample is, how they differ, and what goes with the host variables."""

import pandas as pd

from taxoscape import tables
from taxoscape.report.cells import format_cell, listed, percent, plain_lineage
from taxoscape.report.parts import Section, Table, stored
from taxoscape.report.sequences import numbers

METRICS = {
    "unweighted_unifrac": "unweighted UniFrac",
    "weighted_unifrac": "weighted UniFrac",
    "bray_curtis": "Bray-Curtis",
    "aitchison": "Aitchison",
}
MEASURES = {
    "richness": "richness",
    "shannon": "Shannon",
    "pielou": "Pielou evenness",
    "simpson": "Simpson",
    "faith_pd": "Faith's PD",
}
FIGURES = ["ordination", "differential"]
FOLDED = ["curves", "alpha"]
SIGNIFICANT = 0.05
# Columns of tests that are empty where nothing could be tested.
RESULTS = ("r2", "pseudo_f", "dispersion_p", "statistic", "effect", "log2_fold_change", "low", "high", "p", "q")
NAMES = {
    "r2": "R2",
    "pseudo_f": "pseudo-F",
    "dispersion_p": "p of dispersion",
    "permuted": "compared",
    "subjects": "subjects",
}


def diversity(files: dict, config: dict) -> Section:
    """Curves, diversity within and between samples, PERMANOVA, and taxa that differ."""
    permanova = numbers(tables.read_tsv(files["permanova"], "PERMANOVA"), *RESULTS)
    alpha = numbers(tables.read_tsv(files["alpha_tests"], "tests of alpha diversity"), *RESULTS)
    section = Section(
        "diversity",
        "Diversity",
        f"{found_between(permanova)} {found_within(alpha)} Where subjects gave several samples, subjects change places "
        "whole or values within them: free permutation would call almost anything significant.",
    )
    section.facts = [("Not tested", text) for text in untested(permanova)]
    section.figures = [stored(files[name], name) for name in FIGURES if name in files]
    section.folded = [stored(files[name], name) for name in FOLDED]
    section.tables = [
        Table(
            "PERMANOVA: share of the variation between samples (R2) that goes with a field, by distance. "
            f"* q < {SIGNIFICANT:g}",
            crossed(permanova, "metric", METRICS, "r2"),
        ),
        Table(
            "Diversity within samples: size of the effect of a field (correlation, or share of the variation of the "
            f"ranks), by measure. * q < {SIGNIFICANT:g}",
            crossed(alpha, "measure", MEASURES, "effect"),
        ),
    ]
    if "differential_table" in files:
        taxa = numbers(tables.read_tsv(files["differential_table"], "taxa that differ"), *RESULTS)
        method = {"ancombc2": "ANCOM-BC2", "ancombc": "ANCOM-BC"}[config["diversity"]["differential"]]
        section.tables.append(
            Table(
                f"Taxa that go with a field ({method}, q < {SIGNIFICANT:g}), strongest first", differential_table(taxa)
            )
        )
    section.tables += [
        Table("PERMANOVA, every test", permanova_table(permanova), folded=True, file=str(files["permanova"])),
        Table("Diversity within samples, every test", alpha_table(alpha), folded=True, file=str(files["alpha_tests"])),
    ]
    return section


def crossed(tests: pd.DataFrame, by: str, names: dict, value: str) -> pd.DataFrame:
    """One row a field and way of comparing, one column a metric or measure; a star where q is small."""
    tested = tests.dropna(subset=["p"])
    marks = {True: " *", False: ""}
    cells = [
        format_cell(round(float(row[value]), 3)) + marks[bool(row["q"] < SIGNIFICANT)] for _, row in tested.iterrows()
    ]
    table = tested.assign(cell=cells).pivot(index=["field", "permuted"], columns=by, values="cell")
    table = table.reindex(columns=[name for name in names if name in table.columns]).fillna("")
    return table.rename(columns=names).reset_index().rename(columns=NAMES).rename_axis(columns=None)


def untested(tests: pd.DataFrame) -> list[str]:
    """Sentences on the fields that could not be tested, and why."""
    left = tests[tests["p"].isna()].drop_duplicates(["field", "permuted", "note"])
    return [f"{row.field} ({row.permuted}): {row.note}." for row in left.itertuples()]


def permanova_table(tests: pd.DataFrame) -> pd.DataFrame:
    """One row a metric and field, the strongest first."""
    table = tests.assign(metric=tests["metric"].map(METRICS)).sort_values("r2", ascending=False, kind="stable")
    shown = ["metric", "field", "samples", "subjects", "permuted", "r2", "pseudo_f", "p", "q", "dispersion_p", "note"]
    return table[shown].rename(columns=NAMES)


def alpha_table(tests: pd.DataFrame) -> pd.DataFrame:
    """One row a measure and field."""
    shown = ["measure", "field", "samples", "subjects", "test", "statistic", "effect", "p", "q", "note"]
    return tests.assign(measure=tests["measure"].map(MEASURES))[shown]


def differential_table(taxa: pd.DataFrame) -> pd.DataFrame:
    """Taxa below the level of significance, by the size of their effect."""
    found = taxa[taxa["q"] < SIGNIFICANT]
    found = found.reindex(found["log2_fold_change"].abs().sort_values(ascending=False, kind="stable").index)
    paths = [plain_lineage(taxon).split(" › ") for taxon in found["taxon"]]
    return pd.DataFrame(
        {
            "taxon": [path[-1] for path in paths],
            "of": [" › ".join(path[:-1]) for path in paths],
            "field": found["field"],
            "contrast": found["contrast"],
            "log2 fold change": [
                f"{row.log2_fold_change:.3g} ({row.low:.3g} to {row.high:.3g})" for row in found.itertuples()
            ],
            "q": found["q"],
            "samples that have it": [percent(share) for share in found["prevalence"]],
            "mean share of reads": [percent(share) for share in found["mean_share"]],
        }
    )


def found_between(permanova: pd.DataFrame) -> str:
    """Sentence on which fields go with a difference between communities."""
    tested = permanova.dropna(subset=["p"])
    if tested.empty:
        return "No field of the metadata could be tested."
    strong = list(dict.fromkeys(tested.loc[tested["q"] < SIGNIFICANT, "field"]))
    none = [field for field in dict.fromkeys(tested["field"]) if field not in strong]
    said = [f"Communities differ with {listed(strong)} (PERMANOVA, q < {SIGNIFICANT:g})."] if strong else []
    said += [f"No difference with {listed(none)} was found."] if none else []
    return " ".join(said)


def found_within(alpha: pd.DataFrame) -> str:
    """Sentence on which fields go with the diversity within samples."""
    tested = alpha.dropna(subset=["p"])
    strong = tested[tested["q"] < SIGNIFICANT].groupby("field", sort=False)["measure"]
    if tested.empty:
        return ""
    if not len(strong):
        return "Diversity within samples goes with none of the fields tested."
    said = [f"{field} ({listed([MEASURES[name] for name in dict.fromkeys(found)])})" for field, found in strong]
    return f"Diversity within samples goes with {'; '.join(said)}."
