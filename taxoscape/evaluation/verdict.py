"""What may be said of a generator: better, level or worse than the copula, or too little to rank it.

Other real samples and resampled training samples are references, no rivals: they are at the floor, where a generator
can be at best.
"""

from math import isnan, nan

from taxoscape.evaluation.generation import AUC, FLOOR
from taxoscape.scoring.results import Comparison, Verdict
from taxoscape.scoring.verdicts import FEW_GROUPS, WORDS, outcome

# Held-out samples below which the figures are displayed but nothing is concluded.
FEWEST = 20
NAMES = {"copula": "a Gaussian copula", FLOOR: "other real samples"}
MARKS = {"better": "better than", "level": "level with", "worse": "worse than"}


def verdict(main: Comparison, kind: str) -> Verdict:
    """Say whether the generator (`kind`: mlp, copula, ...) beats the copula; AUCs at or below 0.5 are ties.

    A copula is compared with other real samples.
    """
    if main.n < FEWEST or main.groups < FEW_GROUPS or AUC not in main.models[main.judged]:
        text = (
            f"{main.n} held-out samples of {main.groups} groups are too few to rank generators: that needs {FEWEST} "
            f"samples of {FEW_GROUPS} groups. The figures are displayed with their intervals."
        )
        return Verdict("open", "too few to rank", text)
    rival = FLOOR if kind == "copula" else "copula"
    mark = outcome(main.differences[rival][AUC], AUC)
    return Verdict(mark, f"{MARKS[mark]} {NAMES[rival]}", _sentences(main, kind, rival, mark))


def _sentences(main: Comparison, kind: str, rival: str, mark: str) -> str:
    auc = {name: entries[AUC]["value"] for name, entries in main.models.items() if AUC in entries}
    what = "the Gaussian copula (diffusion.model: copula)" if kind == "copula" else "the diffusion model"
    text = (
        f"A classifier distinguishes communities of {what} from {main.n} held-out samples with AUC "
        f"{auc[main.judged]:.2f} (0.50: it cannot; {auc[FLOOR]:.2f} for other real samples): {WORDS[mark]} "
        f"{NAMES[rival]} ({auc[rival]:.2f})."
    )
    if rival == "copula" and mark == "worse":
        text += " Set diffusion.model: copula."
    copied = main.models[main.judged].get("copying", {"value": nan})["value"]
    return text if isnan(copied) else f"{text} Copying is {copied:.2f} (0: a fresh draw, 1: a copier)."
