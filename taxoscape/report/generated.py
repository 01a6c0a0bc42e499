"""Section about generated communities, beside resampling and a copula."""

import json
from pathlib import Path

import pandas as pd

from taxoscape.evaluation.figures import LABELS, PANELS
from taxoscape.evaluation.generation import FEWEST
from taxoscape.report.cells import count, interval
from taxoscape.report.parts import Check, Section, Table, Verdict, stored
from taxoscape.report.predicted import METRICS

PLOTS = ["generation", "generation_taxa", "landscapes"]
SOURCES = LABELS | {"training": "training samples (the best there is)"}


def generation(files: dict, config: dict) -> Section:
    """Generated communities beside resampling and a copula: told apart, copied, and of what use."""
    found = json.loads(Path(files["generation"]).read_text())
    section = Section(
        "diffusion",
        "Generated communities",
        f"{count(found['n_generated'], 'community', 'communities')} were generated for the conditions of "
        f"{count(found['n_real'], 'held-out sample')} and compared with these. An area under the curve of 0.5 means "
        "that a classifier cannot tell them apart.",
        [
            ("Learned from", f"{count(found['n_training'], 'training sample')}."),
            ("Judged by", f"{count(found['n_real'], 'held-out sample')} of {count(found['groups'], 'group')}."),
        ],
        _checks(found),
        [_verdict(found)],
    )
    section.tables = [metrics_table(found["models"])]
    section.tables += [utility_table(field, entry) for field, entry in found["utility"].items()]
    whole, taxa, landscapes = map(stored, files["generation_plots"], PLOTS)
    section.figures, section.folded = [whole, landscapes], [taxa]
    return section


def metrics_table(models: dict) -> Table:
    """One row a metric with what is ideal, one column a generator."""
    shown = [key for key in PANELS if any(key in entries for entries in models.values())]
    rows = [
        [PANELS[key][0].replace("\n", " "), *(interval(entries.get(key)) for entries in models.values())]
        for key in shown
    ]
    columns = ["against held-out samples", *(LABELS[name] for name in models)]
    return Table("Generators against held-out samples, with 95 % intervals", pd.DataFrame(rows, columns=columns))


def utility_table(field: str, found: dict) -> Table:
    """Forests that learned a condition from real and from generated samples, on held-out ones."""
    metrics = [name for name in METRICS if any(name in entries for entries in found["models"].values())]
    rows = [
        [SOURCES.get(name, name), *(interval(entries.get(key)) for key in metrics)]
        for name, entries in found["models"].items()
    ]
    caption = (
        f"{field}: a random forest that learned it from {found['learned_from']} samples of each source, on "
        f"{found['n']} held-out ones. Generated samples that carry what {field} does to communities teach as much as "
        "the training samples do"
    )
    return Table(caption, pd.DataFrame(rows, columns=["learned from", *(METRICS[key] for key in metrics)]), folded=True)


def _checks(found: dict) -> list[Check]:
    own = found["models"]["diffusion"]
    enough = Check(
        "Held-out samples to judge by", f"{found['n_real']}", f"at least {FEWEST}", found["n_real"] >= FEWEST
    )
    checks = [enough]
    if "auc" in own:
        entry = own["auc"]
        good = entry["low"] <= 0.5 <= entry["high"]
        checks.append(Check("Told from real samples (AUC)", interval(entry), "its interval holds 0.5", good))
    if "copying" in own:
        entry = own["copying"]
        good = entry["low"] <= 0.5
        checks.append(
            Check(
                "Nearer to a training sample than to a held-out one", interval(entry), "its interval reaches 0.5", good
            )
        )
    return checks


def _verdict(found: dict) -> Verdict:
    """Mark by the difference from the better baseline; open where samples are too few."""
    text, about = found["verdict"], "Generated communities"
    if "too few" in text:
        return Verdict(about, "diffusion", "too few samples", "open", text)
    gaps = {name: entry for name, entry in found["auc_difference"].items() if name != found["generator"]}
    worse = [entry for entry in gaps.values() if entry["low"] > 0]
    better = [entry for entry in gaps.values() if entry["high"] < 0]
    kind = "worse" if worse else "better" if len(better) == len(gaps) else "level"
    mark = {"worse": "worse than a baseline", "better": "better than the baselines", "level": "level with a baseline"}
    return Verdict(about, "diffusion", mark[kind], kind, text)
