"""What may be said of a generator: better, level or worse than its baselines, or too little to rank it."""

from math import isnan, nan

from taxoscape.evaluation.generation import AUC, FLOOR
from taxoscape.scoring.results import Comparison, Verdict
from taxoscape.scoring.verdicts import FEW_GROUPS, WORDS, outcome

# Held-out samples below which the figures are displayed but nothing is concluded.
FEWEST = 20
NAMES = {"resampling": "resampled training samples", "copula": "a Gaussian copula"}
MARKS = {"better": "better than", "level": "level with", "worse": "worse than"}


def verdict(main: Comparison, kind: str) -> Verdict:
    """Say whether the generator (`kind`: mlp, copula, ...) beats its baselines; AUCs at or below 0.5 are ties."""
    if main.n < FEWEST or main.groups < FEW_GROUPS or AUC not in main.models[main.judged]:
        text = (
            f"{main.n} held-out samples of {main.groups} groups are too few to rank generators: that needs {FEWEST} "
            f"samples of {FEW_GROUPS} groups. The figures are displayed with their intervals."
        )
        return Verdict("open", "too few to rank", text)
    found = {
        name: outcome(main.differences[name][AUC], AUC)
        for name in NAMES
        if AUC in main.differences.get(name, {}) and name != kind
    }
    marked = next(mark for mark in ("worse", "level", "better") if mark in found.values())
    names = " and ".join(name for name in found if found[name] == marked)
    return Verdict(marked, f"{MARKS[marked]} {names}", _sentences(main, kind, found))


def _sentences(main: Comparison, kind: str, found: dict[str, str]) -> str:
    auc = {name: entries[AUC]["value"] for name, entries in main.models.items() if AUC in entries}
    what = "the Gaussian copula (diffusion.model: copula)" if kind == "copula" else "the diffusion model"
    compared = " and ".join(f"{WORDS[mark]} {NAMES[name]} ({auc[name]:.2f})" for name, mark in found.items())
    text = (
        f"A classifier distinguishes communities of {what} from {main.n} held-out samples with AUC "
        f"{auc[main.judged]:.2f} (0.50: it cannot; {auc[FLOOR]:.2f} for other real samples): {compared}."
    )
    if found.get("copula") == "worse":
        text += " Set diffusion.model: copula."
    if found["resampling"] == "worse":
        text += " Resampling only hands out the training samples again."
    copied = main.models[main.judged].get("copying", {"value": nan})["value"]
    return text if isnan(copied) else f"{text} Copying is {copied:.2f} (0: a fresh draw, 1: a copier)."
